/**
 * Style sheets are imported for the bundler's sake and have no values.
 * @module
 */
declare module "*.css";
