/**
 * Random weights and their quantisation by ggml, the same bytes for the same seed on every machine. Used by `make-gguf.ts`.
 * Block layouts: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
 */

/** For each storage type: ggml type id, `general.file_type` of the file, weights per block, bytes per block. */
export const QUANTS = {
  f32: { id: 0, fileType: 0, block: 1, bytes: 4 },
  f16: { id: 1, fileType: 1, block: 1, bytes: 2 },
  q4_0: { id: 2, fileType: 2, block: 32, bytes: 18 },
  q8_0: { id: 8, fileType: 7, block: 32, bytes: 34 },
} as const;
export type Quant = keyof typeof QUANTS;

/** splitmix32: 32 random bits per call. */
function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let t = state ^ (state >>> 16);
    t = Math.imul(t, 0x21f0aaad);
    t ^= t >>> 15;
    t = Math.imul(t, 0x735a2d97);
    return (t ^ (t >>> 15)) >>> 0;
  };
}

/** Uniform floats around 0; `scale` is their standard deviation. */
export function randomFloats(count: number, scale: number, seed: number): Float32Array {
  const random = createRandom(seed);
  const reach = scale * Math.sqrt(3);
  return Float32Array.from({ length: count }, () => ((random() / 2 ** 32) * 2 - 1) * reach);
}

const scratch = new DataView(new ArrayBuffer(4));

/** A number as the bits of an IEEE half, rounded half up. */
function toHalf(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 127 + 15;
  const mantissa = bits & 0x7fffff;
  if (exponent >= 31) return sign | 0x7c00;
  if (exponent < -10) return sign;
  if (exponent <= 0) {
    const shift = 14 - exponent;
    return sign | (((mantissa | 0x800000) + (1 << (shift - 1))) >> shift);
  }
  return sign | (((exponent << 10) | (mantissa >> 13)) + ((mantissa >> 12) & 1));
}

/** One block: a half for the scale, then 32 signed bytes. */
function writeQ8Block(values: Float32Array, out: Buffer, at: number): void {
  const reach = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const scale = reach / 127;
  out.writeUInt16LE(toHalf(scale), at);
  values.forEach((value, i) =>
    out.writeInt8(scale === 0 ? 0 : Math.round(value / scale), at + 2 + i),
  );
}

/** One block: a half for the scale, then 32 nibbles, the second sixteen in the high halves. */
function writeQ4Block(values: Float32Array, out: Buffer, at: number): void {
  const farthest = values.reduce(
    (far, value) => (Math.abs(value) > Math.abs(far) ? value : far),
    0,
  );
  const scale = farthest / -8;
  const nibble = (value = 0) => (scale === 0 ? 8 : Math.min(15, Math.floor(value / scale + 8.5)));
  out.writeUInt16LE(toHalf(scale), at);
  for (let i = 0; i < 16; i++) out[at + 2 + i] = nibble(values[i]) | (nibble(values[16 + i]) << 4);
}

/** Row-major floats as ggml stores them; a row must be a multiple of the block. */
export function quantise(values: Float32Array, quant: Quant): Buffer {
  const { block, bytes } = QUANTS[quant];
  const out = Buffer.alloc((values.length / block) * bytes);
  for (let from = 0, at = 0; from < values.length; from += block, at += bytes) {
    if (quant === 'f32') out.writeFloatLE(values[from] ?? 0, at);
    else if (quant === 'f16') out.writeUInt16LE(toHalf(values[from] ?? 0), at);
    else if (quant === 'q8_0') writeQ8Block(values.subarray(from, from + block), out, at);
    else writeQ4Block(values.subarray(from, from + block), out, at);
  }
  return out;
}

/** Random blocks without quantisation: writes half a gigabyte in seconds instead of minutes. */
export function* randomBlocks(
  count: number,
  quant: 'q8_0' | 'q4_0',
  scale: number,
  seed: number,
): Generator<Buffer> {
  const { bytes } = QUANTS[quant];
  const random = createRandom(seed);
  const pool = Buffer.alloc(1 << 20);
  for (let i = 0; i < pool.length; i += 4) pool.writeUInt32LE(random(), i);
  // uniform values in [-max, max] have a standard deviation of max / sqrt(3)
  const blockScale = toHalf((scale * Math.sqrt(3)) / (quant === 'q8_0' ? 127 : 8));
  const blocksPerChunk = 1 << 17;
  for (let left = count / 32; left > 0; left -= blocksPerChunk) {
    const blocks = Math.min(left, blocksPerChunk);
    const chunk = Buffer.allocUnsafe(blocks * bytes);
    for (let at = 0; at < chunk.length; at += bytes) {
      const from = random() % (pool.length - bytes);
      pool.copy(chunk, at, from, from + bytes);
      chunk.writeUInt16LE(blockScale, at);
    }
    yield chunk;
  }
}
