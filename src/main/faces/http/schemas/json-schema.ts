import { z } from 'zod';

export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * A zod schema as the JSON Schema that routes validate with and the document shows; `example` is valid. Written in zod like the other schemas;
 * validated as JSON Schema, which takes half the time and is what callers see.
 */
export function jsonSchema(schema: z.ZodType, example?: unknown): JsonSchema {
  const { $schema: _, ...made } = z.toJSONSchema(schema, {
    override: ({ jsonSchema: each }) => {
      // Redundant in a record of texts: every name is a text.
      delete each.propertyNames;
    },
  });
  return example === undefined ? made : { ...made, examples: [example] };
}
