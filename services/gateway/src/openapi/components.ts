import {
  asyncExecutionSchema,
  cacheEntrySchema,
  cacheStatisticsSchema,
  checkResultSchema,
  checkSchema,
  batchEventSchema,
  executionBatchSchema,
  executionEventSchema,
  executionRequestSchema,
  executionResultSchema,
  explanationSchema,
  iterationRecordSchema,
  limitsSchema,
  loopEventSchema,
  loopListSchema,
  loopRequestSchema,
  loopViewSchema,
  problemSchema,
  runnerListSchema,
  runnerViewSchema,
  verdictRecordSchema,
} from '@loopgate/contracts'
import type { OpenAPIV3_1 } from 'openapi-types'
import { z } from 'zod'
import { openaiErrorSchema } from './responses.ts'

/** Schemas that stand once in the document, under these names; what a caller sends has `Input` behind it. */
const NAMED = {
  Problem: problemSchema,
  OpenAIError: openaiErrorSchema,
  Check: checkSchema,
  CheckResult: checkResultSchema,
  Limits: limitsSchema,
  ExecutionRequest: executionRequestSchema,
  ExecutionResult: executionResultSchema,
  ExecutionEvent: executionEventSchema,
  AsyncExecution: asyncExecutionSchema,
  ExecutionBatch: executionBatchSchema,
  BatchEvent: batchEventSchema,
  IterationRecord: iterationRecordSchema,
  LoopRequest: loopRequestSchema,
  Loop: loopViewSchema,
  LoopList: loopListSchema,
  LoopEvent: loopEventSchema,
  Runner: runnerViewSchema,
  RunnerList: runnerListSchema,
  CacheStatistics: cacheStatisticsSchema,
  CacheEntry: cacheEntrySchema,
  CacheVerdict: verdictRecordSchema,
  CacheExplanation: explanationSchema,
} as const

/** Names the shared schemas. May be called again; the registry is zod's, of the process. */
export function nameSchemas(): void {
  for (const [id, schema] of Object.entries(NAMED)) {
    z.globalRegistry.add(schema, { ...z.globalRegistry.get(schema), id })
  }
}

/** Every schema is described as input and as output; this drops what nothing refers to. */
export function withoutUnused(document: object): OpenAPIV3_1.Document {
  const whole = document as OpenAPIV3_1.Document
  const schemas = whole.components?.schemas ?? {}
  const used = new Set<string>()
  const visit = (text: string): void => {
    for (const [, name = ''] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (used.has(name)) continue
      used.add(name)
      visit(JSON.stringify(schemas[name] ?? null))
    }
  }
  visit(JSON.stringify({ ...whole, components: { ...whole.components, schemas: {} } }))
  const kept = Object.entries(schemas).filter(([name]) => used.has(name))
  return { ...whole, components: { ...whole.components, schemas: Object.fromEntries(kept) } }
}
