/**
 * Values to bytes and back: the codec's own entry points, for the layers above.
 * @module
 */
export { ByteReader } from "./byte_reader.ts";
export { ByteWriter } from "./byte_writer.ts";
export {
  type AnyClass,
  type ClassCodec,
  ClassRegistry,
  classRegistry,
  MissingCodecError,
  registerClass,
  type RegisteredClass,
} from "./class_registry.ts";
export { decodeFromBytes, type DecodeOptions, decodeValue } from "./decode_value.ts";
export {
  type EncodeContext,
  type EncodeOptions,
  encodeThrown,
  encodeToBytes,
  encodeValue,
  type ValueExtension,
} from "./encode_value.ts";
