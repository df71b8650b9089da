/** GET /openapi.json: OpenAPI 3.1, generated from the schemas that check the requests. */
import { z } from 'zod';
import { ChatError, type ChatErrorCode } from '../errors.ts';
import { AnthropicError } from './anthropic/errors.ts';
import type { Endpoint } from './endpoint.ts';
import { ErrorBody, toBodyOf } from './error-body.ts';

interface OpenApiOptions {
  version: string;
  statusByCode: Record<ChatErrorCode, number>;
  /** Whether API keys are set. */
  secured: boolean;
}

type Schemas = Record<string, object>;

export function createOpenApi(others: readonly Endpoint[], options: OpenApiOptions): Endpoint {
  let document: object | undefined;
  const self: Endpoint = {
    method: 'GET',
    path: '/openapi.json',
    summary: 'This document',
    access: 'open',
    answers: {
      'application/json': {
        schema: z.looseObject({ openapi: z.string(), paths: z.looseObject({}) }),
        example: { openapi: '3.1.1', paths: {} },
      },
    },
    errors: [],
    handle: (c) => c.json((document ??= toDocument([...others, self], options))),
  };
  return self;
}

function toDocument(endpoints: readonly Endpoint[], options: OpenApiOptions): object {
  const schemas: Schemas = {
    Error: toSchema(ErrorBody),
    AnthropicError: toSchema(AnthropicError),
  };
  const paths: Record<string, object> = {};
  for (const endpoint of endpoints) {
    const path = endpoint.path.replaceAll(/:(\w+)/g, '{$1}');
    const method = endpoint.method.toLowerCase();
    paths[path] = { ...paths[path], [method]: toOperation(endpoint, schemas, options) };
  }
  const security = { securitySchemes: { apiKey: { type: 'http', scheme: 'bearer' } } };
  return {
    openapi: '3.1.1',
    info: {
      title: 'llamascope',
      version: options.version,
      description:
        "An observable chat service on llama.cpp with OpenAI's and Anthropic's APIs. Paths of `/v1` are also served without it.",
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: { schemas, ...(options.secured ? security : {}) },
  };
}

function toOperation(endpoint: Endpoint, schemas: Schemas, options: OpenApiOptions): object {
  const { request, parameters } = endpoint;
  return {
    summary: endpoint.summary,
    operationId: `${endpoint.method.toLowerCase()}${endpoint.path.replaceAll(/[/:._]+(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
    ...(options.secured && endpoint.access === 'key' ? { security: [{ apiKey: [] }] } : {}),
    ...(parameters === undefined ? {} : { parameters: toParameters(parameters) }),
    ...(request === undefined ? {} : { requestBody: toRequestBody(request, schemas) }),
    responses: {
      [endpoint.success ?? 200]: toAnswer(endpoint, schemas),
      ...(endpoint.alsoStatus && { [endpoint.alsoStatus]: toAnswer(endpoint, schemas) }),
      ...toErrors(endpoint, options),
    },
  };
}

function toParameters(parameters: NonNullable<Endpoint['parameters']>): object[] {
  return Object.entries(parameters).map(([name, { in: place, schema, description, example }]) => ({
    name,
    in: place,
    required: place === 'path',
    description,
    schema: schema ?? { type: 'string' },
    example,
  }));
}

function toRequestBody(request: NonNullable<Endpoint['request']>, schemas: Schemas): object {
  const examples = Object.entries(request.examples).map(([name, value]) => [name, { value }]);
  return {
    required: true,
    content: {
      'application/json': {
        schema: toReference(request.name, request.schema, schemas),
        examples: Object.fromEntries(examples) as object,
      },
    },
  };
}

function toAnswer(endpoint: Endpoint, schemas: Schemas): object {
  const events: string[] = [];
  const content = Object.entries(endpoint.answers).map(
    ([type, { name, schema, example, isStream }]) => {
      const described = name === undefined ? toSchema(schema) : toReference(name, schema, schemas);
      // OpenAPI 3.1 has no schema for the events of a stream, whose text has none either.
      if (isStream !== true) return [type, { schema: described, example }];
      events.push(`As ${type}, the data of each event has the schema ${name}.`);
      return [type, { example }];
    },
  );
  const description = [endpoint.summary, ...events].join('. ');
  return { description, content: Object.fromEntries(content) as object };
}

/** One response for each status, with one example for each error code of that status. */
function toErrors(endpoint: Endpoint, options: OpenApiOptions): Record<string, object> {
  const responses: Record<string, object> = {};
  const errorSchema = endpoint.errorForm === 'anthropic' ? 'AnthropicError' : 'Error';
  // The answers of `src/kit/gate.ts`.
  const ofGate: ChatErrorCode[] = endpoint.access === 'anyone' ? [] : ['bad_request', 'forbidden'];
  const errors = [...new Set([...endpoint.errors, ...ofGate])];
  for (const status of new Set(errors.map((code) => options.statusByCode[code]))) {
    const codes = errors.filter((code) => options.statusByCode[code] === status);
    const message = 'What is wrong and what to do.';
    const examples = codes.map((code) => [
      code,
      { value: toBodyOf(endpoint.errorForm, new ChatError(code, message)) },
    ]);
    responses[status] = {
      description: codes.join(', '),
      content: {
        'application/json': {
          schema: { $ref: `#/components/schemas/${errorSchema}` },
          examples: Object.fromEntries(examples) as object,
        },
      },
    };
  }
  return responses;
}

function toReference(name: string, schema: z.ZodType, schemas: Schemas): object {
  schemas[name] = toSchema(schema);
  return { $ref: `#/components/schemas/${name}` };
}

/** The JSON Schema of the input, in which fields with a default are optional. */
function toSchema(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io: 'input',
    override: ({ jsonSchema }) => withoutTuple(jsonSchema),
  });
  return rest;
}

/** A tuple becomes a list of as many items, because programs that read OpenAPI take `prefixItems` for the `items` of older drafts. */
function withoutTuple(schema: { prefixItems?: unknown; items?: unknown }): void {
  if (schema.prefixItems === undefined) return;
  schema.items = { anyOf: schema.prefixItems };
  delete schema.prefixItems;
}
