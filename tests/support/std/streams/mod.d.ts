/** The stream functions of the standard library that the tests use. */
export declare function toText(stream: ReadableStream<Uint8Array | string>): Promise<string>;
export declare function toBytes(stream: ReadableStream<Uint8Array>): Promise<Uint8Array>;
export declare function toArrayBuffer(stream: ReadableStream<Uint8Array>): Promise<ArrayBuffer>;
export declare class TextLineStream extends TransformStream<string, string> {
  constructor(options?: { allowCR?: boolean });
}
export declare class LimitedBytesTransformStream extends TransformStream<Uint8Array, Uint8Array> {
  constructor(size: number, options?: { error?: boolean });
}
