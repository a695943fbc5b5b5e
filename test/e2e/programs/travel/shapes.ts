/**
 * A class hierarchy in TypeScript.
 * @module
 */
export const METRE = "m";

export interface Shape {
  area(): number;
  describe(unit: string): string;
}

abstract class Named implements Shape {
  protected readonly side: number;
  constructor(side: number) {
    this.side = side;
  }
  abstract area(): number;
  describe(unit: string): string {
    return `${this.constructor.name} ${this.side} ${unit}`;
  }
}

export class Square extends Named {
  override area(): number {
    return this.side ** 2;
  }
}

export class Circle extends Named {
  static readonly one: Circle = new Circle(1);
  override area(): number {
    return Math.PI * this.side ** 2;
  }
}
