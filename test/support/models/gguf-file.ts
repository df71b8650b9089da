/**
 * Writes a GGUF v3 file: header, key/value pairs, tensor infos, padding, tensor data, all little endian. Used by `make-gguf.ts`.
 * Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { closeSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';
import { QUANTS } from './weights.ts';
import type { Quant } from './weights.ts';

/** A tensor whose data is generated while it is written, so that a 500 MB file needs little memory. */
export interface Tensor {
  name: string;
  /** columns first, the order of GGUF */
  dims: readonly number[];
  quant: Quant;
  data: () => Iterable<Buffer>;
}

const ALIGNMENT = 32;

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const i32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
};
const f32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
};
const u64 = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const text = (value: string) => {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([u64(bytes.length), bytes]);
};
const padding = (length: number) => Buffer.alloc((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);

const typed = (type: number, ...parts: Buffer[]) => Buffer.concat([u32(type), ...parts]);
const list = (elementType: number, elements: Buffer[]) =>
  typed(9, Buffer.concat([u32(elementType), u64(elements.length), ...elements]));

/** A metadata value as its GGUF type and bytes (gguf_metadata_value_type). */
export const ggufValue = {
  u32: (value: number) => typed(4, u32(value)),
  f32: (value: number) => typed(6, f32(value)),
  bool: (value: boolean) => typed(7, Buffer.from([value ? 1 : 0])),
  string: (value: string) => typed(8, text(value)),
  strings: (values: readonly string[]) => list(8, values.map(text)),
  i32s: (values: readonly number[]) => list(5, values.map(i32)),
};

const elementCount = (tensor: Tensor) => tensor.dims.reduce((product, size) => product * size, 1);

function encodeTensorInfos(tensors: readonly Tensor[]): Buffer[] {
  let offset = 0;
  return tensors.flatMap((tensor) => {
    const { id, block, bytes } = QUANTS[tensor.quant];
    const info = [
      text(tensor.name),
      u32(tensor.dims.length),
      ...tensor.dims.map(u64),
      u32(id),
      u64(offset),
    ];
    const size = (elementCount(tensor) / block) * bytes;
    offset += Math.ceil(size / ALIGNMENT) * ALIGNMENT;
    return info;
  });
}

/**
 * Writes the file under a temporary name, renames it, and returns its number of parameters.
 * @throws errors of the file system.
 */
export function writeGguf(
  out: string,
  metadata: Readonly<Record<string, Buffer>>,
  tensors: readonly Tensor[],
): { parameters: number } {
  const pairs = Object.entries({ ...metadata, 'general.alignment': ggufValue.u32(ALIGNMENT) });
  const header = Buffer.concat([
    Buffer.from('GGUF'),
    u32(3),
    u64(tensors.length),
    u64(pairs.length),
    ...pairs.map(([key, value]) => Buffer.concat([text(key), value])),
    ...encodeTensorInfos(tensors),
  ]);

  mkdirSync(path.dirname(path.resolve(out)), { recursive: true });
  const partial = `${out}.partial`;
  const file = openSync(partial, 'w');
  try {
    writeSync(file, header);
    writeSync(file, padding(header.length));
    for (const tensor of tensors) {
      let size = 0;
      for (const part of tensor.data()) {
        writeSync(file, part);
        size += part.length;
      }
      writeSync(file, padding(size));
    }
  } finally {
    closeSync(file);
  }
  renameSync(partial, out);
  return { parameters: tensors.reduce((sum, tensor) => sum + elementCount(tensor), 0) };
}
