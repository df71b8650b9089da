/**
 * Writes a small (or full-size) Qwen2 GGUF with generated weights and Qwen2.5's real tokenizer: the committed demo model and the
 * models of the tests. It downloads nothing.
 *
 *   node test/support/models/make-gguf.ts --demo                                   the committed demo model
 *   node test/support/models/make-gguf.ts --shape tiny --say "Hello" --out say.gguf  always answers "Hello"
 *   node test/support/models/make-gguf.ts --shape bench --quant q4_0 --out b.gguf    as large and slow as Qwen2.5-0.5B
 */
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ggufValue, writeGguf } from './gguf-file.ts';
import type { Tensor } from './gguf-file.ts';
import { loadQwenTokenizer, NEWLINE, splitIntoTokens, tokenId } from './qwen-tokenizer.ts';
import type { Tokenizer } from './qwen-tokenizer.ts';
import { quantise, QUANTS, randomBlocks, randomFloats } from './weights.ts';
import type { Quant } from './weights.ts';

const SHAPES = {
  // heads of 64 as in the real model, so that quantised KV caches and flash attention use the same code
  tiny: { layers: 2, embd: 128, heads: 2, kvHeads: 1, ffn: 256, context: 4096, merges: 4000 },
  // every merge, so it tokenizes exactly as Qwen2.5 does
  tinyfull: {
    layers: 2,
    embd: 64,
    heads: 1,
    kvHeads: 1,
    ffn: 128,
    context: 4096,
    merges: Infinity,
  },
  // the shape of Qwen2.5-0.5B, 494 M parameters
  bench: {
    layers: 24,
    embd: 896,
    heads: 14,
    kvHeads: 2,
    ffn: 4864,
    context: 32768,
    merges: Infinity,
    vocab: 151936,
  },
};
type Shape = (typeof SHAPES)[keyof typeof SHAPES];

export interface GgufOptions {
  shape: keyof typeof SHAPES;
  quant: Quant;
  /** the file to write */
  out: string;
  /** the answer to every chat, at temperatures from 0 to 1 */
  say?: string;
  /** with `say`: repeat it instead of ending the turn */
  loop?: boolean;
  /** seed of the random weights; default 1 */
  seed?: number;
  /** `general.name` */
  name?: string;
}

/** The options of the committed demo model; `catalogue-entries.ts` has the sha256 of the resulting file. */
export const DEMO: Omit<GgufOptions, 'out'> = {
  shape: 'tiny',
  quant: 'q8_0',
  name: 'llamascope demo',
  say:
    '这是 llamascope 内置的演示模型，无论问什么都只会回答这句话。运行 make model 下载 Qwen2.5-0.5B-Instruct，再运行 make up，就能真正对话。\n' +
    'I am the demo model built into llamascope, and this is all I can say. To chat for real, fetch Qwen2.5-0.5B-Instruct with `make model`, then start again with `make up`.',
};

function metadata(
  options: GgufOptions,
  shape: Shape,
  tokenizer: Tokenizer,
): Record<string, Buffer> {
  const { u32, f32, bool, string, strings, i32s } = ggufValue;
  const endOfText = u32(tokenId(tokenizer, '<|endoftext|>'));
  return {
    'general.architecture': string('qwen2'),
    'general.type': string('model'),
    'general.name': string(options.name ?? `qwen2 ${options.shape} (made-up weights)`),
    'general.description': string(
      options.say === undefined ? 'random weights' : 'scripted weights that say one sentence',
    ),
    'general.file_type': u32(QUANTS[options.quant].fileType),
    'general.quantization_version': u32(2),
    'qwen2.block_count': u32(shape.layers),
    'qwen2.context_length': u32(shape.context),
    'qwen2.embedding_length': u32(shape.embd),
    'qwen2.feed_forward_length': u32(shape.ffn),
    'qwen2.attention.head_count': u32(shape.heads),
    'qwen2.attention.head_count_kv': u32(shape.kvHeads),
    'qwen2.rope.freq_base': f32(1e6),
    'qwen2.attention.layer_norm_rms_epsilon': f32(1e-6),
    'tokenizer.ggml.model': string('gpt2'),
    'tokenizer.ggml.pre': string('qwen2'),
    'tokenizer.ggml.tokens': strings(tokenizer.tokens),
    'tokenizer.ggml.token_type': i32s(tokenizer.types),
    'tokenizer.ggml.merges': strings(tokenizer.merges),
    'tokenizer.ggml.eos_token_id': u32(tokenId(tokenizer, '<|im_end|>')),
    'tokenizer.ggml.padding_token_id': endOfText,
    'tokenizer.ggml.bos_token_id': endOfText,
    'tokenizer.ggml.add_bos_token': bool(false),
    'tokenizer.chat_template': string(tokenizer.chatTemplate),
  };
}

interface Weights {
  /** a random matrix of `cols` x `rows` */
  matrix: (name: string, cols: number, rows: number, scale: number, quant?: Quant) => Tensor;
  /** a constant vector */
  vector: (name: string, size: number, value: number) => Tensor;
}

function createWeights(quant: Quant, firstSeed: number): Weights {
  let seed = firstSeed;
  return {
    matrix(name, cols, rows, scale, ownQuant = quant) {
      const ownSeed = seed++;
      const count = cols * rows;
      const large = count > 1e6 && (ownQuant === 'q8_0' || ownQuant === 'q4_0');
      const data = () =>
        large
          ? randomBlocks(count, ownQuant, scale, ownSeed)
          : [quantise(randomFloats(count, scale, ownSeed), ownQuant)];
      return { name, dims: [cols, rows], quant: ownQuant, data };
    },
    vector(name, size, value) {
      const data = () => [quantise(new Float32Array(size).fill(value), 'f32')];
      return { name, dims: [size], quant: 'f32', data };
    },
  };
}

/** One transformer block; `residual` scales its output, which is added to the residual stream. */
function blockTensors(index: number, shape: Shape, weights: Weights, residual: number): Tensor[] {
  const { matrix, vector } = weights;
  const { embd, ffn } = shape;
  const kvSize = (embd / shape.heads) * shape.kvHeads;
  const scale = 1 / Math.sqrt(embd);
  const prefix = `blk.${index}.`;
  return [
    vector(`${prefix}attn_norm.weight`, embd, 1),
    matrix(`${prefix}attn_q.weight`, embd, embd, scale),
    vector(`${prefix}attn_q.bias`, embd, 0),
    matrix(`${prefix}attn_k.weight`, embd, kvSize, scale),
    vector(`${prefix}attn_k.bias`, kvSize, 0),
    matrix(`${prefix}attn_v.weight`, embd, kvSize, scale),
    vector(`${prefix}attn_v.bias`, kvSize, 0),
    matrix(`${prefix}attn_output.weight`, embd, embd, scale * residual),
    vector(`${prefix}ffn_norm.weight`, embd, 1),
    matrix(`${prefix}ffn_gate.weight`, embd, ffn, scale),
    matrix(`${prefix}ffn_up.weight`, embd, ffn, scale),
    matrix(`${prefix}ffn_down.weight`, ffn, embd, residual / Math.sqrt(ffn)),
  ];
}

/**
 * An embedding with random rows, and an output matrix in which the row of each scripted token is the embedding of the token before
 * it. So after each token its successor has the largest logit. The script starts after a newline, the end of the chat template.
 */
function scriptedTensors(script: number[], vocab: number, options: GgufOptions): [Tensor, Tensor] {
  const { embd } = SHAPES[options.shape];
  const { quant, seed = 1 } = options;
  const embedding = randomFloats(embd * vocab, 1, seed);
  const output = new Float32Array(embd * vocab);
  // The successor's logit is about 30, the others are about 30 / sqrt(embd): one wrong token in 1e8 at temperature 1.
  script.slice(1).forEach((to, at) => {
    const from = (script[at] ?? 0) * embd;
    for (let i = 0; i < embd; i++)
      output[to * embd + i]! += ((embedding[from + i] ?? 0) * 30) / embd;
  });
  const tensor = (name: string, values: Float32Array): Tensor => ({
    name,
    dims: [embd, vocab],
    quant,
    data: () => [quantise(values, quant)],
  });
  return [tensor('token_embd.weight', embedding), tensor('output.weight', output)];
}

/**
 * Writes the file; the same options give the same bytes. Shape `bench` takes about 10 s, the others less than 1 s.
 * @throws Error when `say` ends in a token that it used before.
 */
export function makeGguf(options: GgufOptions): { out: string; bytes: number; parameters: number } {
  const shape: Shape = SHAPES[options.shape];
  const tokenizer = loadQwenTokenizer(shape);
  const sentence = options.say === undefined ? [] : splitIntoTokens(options.say, tokenizer);
  const vocab = tokenizer.tokens.length;
  const weights = createWeights(options.quant, (options.seed ?? 1) + 1);
  // In a scripted model the blocks contribute little, so that the embedding still selects the next token.
  const residual = options.say === undefined ? 1 : 0.02;
  const blocks = Array.from({ length: shape.layers }, (_, index) =>
    blockTensors(index, shape, weights, residual),
  ).flat();
  // llama-quantize keeps a tied embedding of 896 columns at Q8_0 in a Q4_0 file, and so does `bench`.
  const tiedQuant = options.shape === 'bench' && options.quant === 'q4_0' ? 'q8_0' : options.quant;
  const last = options.loop === true ? sentence[0]! : tokenId(tokenizer, '<|im_end|>');
  const ends =
    options.say === undefined
      ? [weights.matrix('token_embd.weight', shape.embd, vocab, 0.02, tiedQuant)]
      : scriptedTensors([tokenId(tokenizer, NEWLINE), ...sentence, last], vocab, options);
  const tensors = [...ends, ...blocks, weights.vector('output_norm.weight', shape.embd, 1)];
  const { parameters } = writeGguf(options.out, metadata(options, shape, tokenizer), tensors);
  return { out: options.out, bytes: statSync(options.out).size, parameters };
}

function main(): void {
  const { values } = parseArgs({
    options: {
      demo: { type: 'boolean', default: false },
      shape: { type: 'string', default: 'tiny' },
      quant: { type: 'string', default: 'q8_0' },
      out: { type: 'string' },
      say: { type: 'string' },
      loop: { type: 'boolean', default: false },
      seed: { type: 'string', default: '1' },
    },
  });
  const { shape, quant, say, loop } = values;
  if (!(shape in SHAPES) || !(quant in QUANTS)) {
    const shapes = Object.keys(SHAPES).join('|');
    const quants = Object.keys(QUANTS).join('|');
    console.error(
      `usage: --demo | --shape ${shapes} --quant ${quants} --out FILE [--say TEXT [--loop]]`,
    );
    process.exitCode = 2;
    return;
  }
  const made: Omit<GgufOptions, 'out'> = values.demo
    ? DEMO
    : {
        shape: shape as GgufOptions['shape'],
        quant: quant as Quant,
        loop,
        seed: Number(values.seed),
        ...(say === undefined ? {} : { say }),
      };
  const demoFile = fileURLToPath(
    new URL('../../../src/models/llamascope-demo.gguf', import.meta.url),
  );
  const out = values.out ?? (values.demo ? demoFile : `${shape}-${quant}.gguf`);
  console.log(JSON.stringify(makeGguf({ ...made, out })));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
