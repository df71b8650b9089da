/** Decodes a compressed answer for the tap; the client gets the bytes as they came. Used by `observe-answer.ts`. */
import { once } from 'node:events';
import type { Transform } from 'node:stream';
import {
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
} from 'node:zlib';

const decoders: Readonly<Record<string, () => Transform>> = {
  br: createBrotliDecompress,
  deflate: createInflate,
  gzip: createGunzip,
  'x-gzip': createGunzip,
  zstd: createZstdDecompress,
};

export interface Decoder {
  /** Resolves when the decoder takes more. */
  push(bytes: Uint8Array): Promise<void> | undefined;
  /** Resolves when `onBytes` has had the last bytes. */
  end(): Promise<void>;
}

/** @returns undefined for an encoding that nothing here decodes. Damaged bytes end the calls of `onBytes` early. */
export function createDecoder(
  encoding: string,
  onBytes: (bytes: Uint8Array) => void,
): Decoder | undefined {
  if (encoding === '' || encoding === 'identity') {
    return {
      push(bytes) {
        onBytes(bytes);
        return undefined;
      },
      end: async () => undefined,
    };
  }
  const transform = decoders[encoding]?.();
  if (transform === undefined) return undefined;
  const closed = new Promise((resolve) => void transform.once('close', resolve));
  transform.on('data', onBytes);
  transform.on('error', () => transform.destroy());
  return {
    push(bytes) {
      if (transform.destroyed || transform.write(bytes)) return undefined;
      return Promise.race([once(transform, 'drain'), closed]).then(() => undefined);
    },
    async end() {
      if (!transform.destroyed) transform.end();
      await closed;
    },
  };
}
