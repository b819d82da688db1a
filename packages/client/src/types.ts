import type {
  AsyncExecution,
  AuditPage,
  BatchEvent,
  CacheEntryView,
  CacheOutcome,
  CacheStatistics,
  ExecutionEvent,
  ExecutionInput,
  ExecutionResult,
  ExplainInput,
  Explanation,
  KeyChange,
  KeyView,
  KeyWithSecret,
  LoopEvent,
  LoopInput,
  LoopList,
  LoopState,
  LoopView,
  NewKey,
  Purged,
  RunnerView,
  SpendLimits,
  TenantView,
  UsageView,
  VerdictRecord,
  VerdictRequest,
} from '@loopgate/contracts'
import type { Dispatcher } from 'undici'

export type ClientOptions = {
  /** Origin of the gateway, e.g. `http://127.0.0.1:8080`. */
  readonly baseUrl: string
  readonly apiKey: string
  /** Tries after the first for a retryable failure; default 2. 0 leaves retrying to the caller. */
  readonly retries?: number
  /** Longest wait between two tries, whatever `retry-after` says; default 30,000. */
  readonly maxRetryDelayMs?: number
  /** Connections to the gateway; default 256. */
  readonly connections?: number
  /** Longest wait for the headers of a reply; default 600,000 (an execution may queue and then run). */
  readonly replyTimeoutMs?: number
  /**
   * Whether calls that name a loop are made in the name of the key that created it, which pays for them
   * and sees their answers; default false. The key needs the scope `worker`.
   */
  readonly onBehalf?: boolean
  /** For tests: another undici dispatcher; the client then does not close it. */
  readonly dispatcher?: Dispatcher
  /** For tests: the source of jitter, in [0, 1). */
  readonly random?: () => number
}

export type CallOptions = { readonly signal?: AbortSignal | undefined }

/** Whether a known verdict will do (`use`), is to be found anew and kept (`renew`), or neither (`ignore`). */
export type Reuse = { readonly reuse?: 'use' | 'renew' | 'ignore' }

/** The parts of a chat completion that callers of this client read. */
export type ChatCompletion = {
  readonly choices: ReadonlyArray<{
    readonly message: { readonly content?: string | null }
    readonly finish_reason: string | null
  }>
  readonly usage?:
    | { readonly prompt_tokens: number; readonly completion_tokens: number; readonly total_tokens: number }
    | undefined
}

export type ChatReply = {
  readonly body: ChatCompletion
  readonly cache: CacheOutcome
  /** Key of the generation, null on a reply that is not shared. */
  readonly key: string | null
  readonly requestId: string | null
}

export type Metrics = {
  /** Sum of all series of the metric that carry these labels; 0 if there is none. */
  readonly sum: (name: string, labels?: Readonly<Record<string, string>>) => number
  /** The same by the values of one label. */
  readonly byLabel: (name: string, label: string) => Record<string, number>
}

/**
 * The gateway's API. Every method throws ApiError: for a refusal with the status and code of the
 * reply, for a gateway that cannot be reached with status 0 and code `unreachable`. A call whose
 * signal is aborted throws the signal's reason. Calls may run at once without limit; those beyond
 * `connections` wait for a connection.
 */
export type Client = {
  readonly completions: {
    /** `POST /v1/chat/completions`, not streamed. */
    readonly chat: (
      body: Readonly<Record<string, unknown>>,
      options?: CallOptions & { readonly sampleIndex?: number; readonly loopId?: string },
    ) => Promise<ChatReply>
  }
  readonly executions: {
    /** `POST /api/executions`; aborting the signal kills the execution. */
    readonly run: (
      input: ExecutionInput,
      options?: CallOptions & Reuse & { readonly loopId?: string },
    ) => Promise<ExecutionResult>
    /**
     * The same without waiting (`prefer: respond-async`). Not tried again after a lost reply.
     * @throws ApiError with code `not_async` where the gateway has no Redis
     */
    readonly submit: (input: ExecutionInput, options?: CallOptions & Reuse) => Promise<AsyncExecution>
    /** `GET /api/executions/{id}` */
    readonly get: (id: string, options?: CallOptions) => Promise<AsyncExecution>
    /** `DELETE /api/executions/{id}`: as it is afterwards. */
    readonly cancel: (id: string, options?: CallOptions) => Promise<AsyncExecution>
    /** The execution once it has ended, failed or was cancelled; looks every `pollMs`, by default 250. */
    readonly wait: (id: string, options?: CallOptions & { readonly pollMs?: number }) => Promise<AsyncExecution>
    /**
     * `POST /api/executions`, followed: `start`, `data` as the program puts it out, and `end` or
     * `error`. Not tried again: what was seen of a first try would not hold for a second.
     */
    readonly follow: (input: ExecutionInput, options?: CallOptions) => AsyncGenerator<ExecutionEvent, void>
    /** `POST /api/executions/batch`: items as they end, each with a result or an error of its own, then the end. */
    readonly batch: (
      inputs: readonly ExecutionInput[],
      options?: CallOptions & Reuse,
    ) => AsyncGenerator<BatchEvent, void>
  }
  readonly loops: {
    /** `POST /api/loops`; without a key of the caller's, one is made so that retries create one loop. */
    readonly create: (
      input: LoopInput,
      options?: CallOptions & { readonly idempotencyKey?: string },
    ) => Promise<LoopView>
    readonly get: (id: string, options?: CallOptions) => Promise<LoopView>
    readonly list: (
      page?: CallOptions & { readonly after?: string; readonly limit?: number; readonly state?: LoopState },
    ) => Promise<LoopList>
    /** `POST /api/loops/{id}/cancel`. */
    readonly cancel: (id: string, options?: CallOptions) => Promise<LoopView>
    /** `POST /api/loops/{id}/resume`: a paused loop runs again. */
    readonly resume: (id: string, options?: CallOptions) => Promise<LoopView>
    /**
     * `GET /api/loops/{id}/events?after=`: each event once, in order, over any number of cut
     * connections; ends after the event of a terminal state.
     */
    readonly events: (
      id: string,
      options?: CallOptions & { readonly after?: number },
    ) => AsyncGenerator<LoopEvent, void>
    /** The loop once it is in a terminal state. */
    readonly wait: (id: string, options?: CallOptions) => Promise<LoopView>
  }
  readonly cache: {
    /** `GET /api/cache`: what tenants got from it, by model. */
    readonly stats: (options?: CallOptions) => Promise<CacheStatistics>
    /** `GET /api/cache/{key}`: what is known of a stored answer. */
    readonly entry: (key: string, options?: CallOptions) => Promise<CacheEntryView>
    /** `DELETE /api/cache`: voids all that is stored for a tenant, the key's own unless another is named. */
    readonly purge: (options?: CallOptions & { readonly tenant?: string }) => Promise<Purged>
    /** `DELETE /api/cache/{key}`. */
    readonly remove: (key: string, options?: CallOptions) => Promise<void>
    /** `POST /api/cache/explain`: what a request would meet, and why; nothing is generated. */
    readonly explain: (request: ExplainInput, options?: CallOptions) => Promise<Explanation>
    /** `POST /api/cache/{key}/verdict`: a later verdict replaces an earlier one. */
    readonly judge: (
      key: string,
      verdict: VerdictRequest,
      options?: CallOptions & { readonly loopId?: string },
    ) => Promise<VerdictRecord>
  }
  /** Keys of the installation; all need the scope admin. */
  readonly keys: {
    /** `POST /api/keys`. The secret is in this answer and nowhere else. */
    readonly create: (key: NewKey, options?: CallOptions) => Promise<KeyWithSecret>
    readonly list: (options?: CallOptions & { readonly tenant?: string }) => Promise<readonly KeyView[]>
    readonly get: (id: string, options?: CallOptions) => Promise<KeyView>
    /** `PATCH /api/keys/{id}`: what is absent stays, null takes an optional member away. */
    readonly change: (id: string, change: KeyChange, options?: CallOptions) => Promise<KeyView>
    /** `POST /api/keys/{id}/rotate`: the old secret works on for the overlap, an hour by default. */
    readonly rotate: (
      id: string,
      options?: CallOptions & { readonly overlapSeconds?: number | undefined },
    ) => Promise<KeyWithSecret>
    readonly revoke: (id: string, options?: CallOptions) => Promise<KeyView>
    readonly usage: (id: string, options?: CallOptions) => Promise<UsageView>
  }
  /** Limits that all keys of a tenant share; all need the scope admin. */
  readonly tenants: {
    readonly list: (options?: CallOptions) => Promise<readonly TenantView[]>
    readonly set: (tenant: string, limits: SpendLimits, options?: CallOptions) => Promise<TenantView>
    readonly remove: (tenant: string, options?: CallOptions) => Promise<void>
    readonly usage: (tenant: string, options?: CallOptions) => Promise<UsageView>
  }
  /** `GET /api/audit`: what was done to keys and tenants, the oldest first; `next` is the `after` of the next page. */
  readonly audit: (
    page?: CallOptions & { readonly after?: string | undefined; readonly limit?: number | undefined },
  ) => Promise<AuditPage>
  readonly runners: {
    readonly list: (options?: CallOptions) => Promise<RunnerView[]>
    /** `POST /api/runners/{id}/drain`: it ends what it has and gets nothing more, of any replica. */
    readonly drain: (id: string, options?: CallOptions) => Promise<RunnerView>
  }
  /** `GET /metrics`, parsed. */
  readonly metrics: (options?: CallOptions) => Promise<Metrics>
  readonly close: () => Promise<void>
}
