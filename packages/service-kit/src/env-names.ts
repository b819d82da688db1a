/**
 * Every environment variable of Loopgate, with its default and meaning. One table for all
 * processes, so that they may share an environment; `docs/configuration.md` is made from it.
 */
type EnvName = { readonly used: string; readonly default: string; readonly text: string }

export const ENV_NAMES: Readonly<Record<string, EnvName>> = {
  LOOPGATE_HOST: { used: 'gateway, loop-worker', default: '127.0.0.1', text: 'Address that the process listens on' },
  LOOPGATE_PORT: { used: 'gateway', default: '8080', text: 'Port the gateway listens on; 0 picks a free one' },
  LOOPGATE_ADVERTISE_URL: {
    used: 'gateway',
    default: 'the address it is bound to',
    text: 'URL at which other replicas and the runners reach this one, never through a load balancer',
  },
  LOOPGATE_REPLICA_TTL_MS: {
    used: 'gateway',
    default: '6000',
    text: 'A replica that has been silent for so long is no longer listed; it beats three times as often',
  },
  LOOPGATE_LOG_LEVEL: { used: 'all', default: 'info', text: 'trace, debug, info, warn, error, fatal or silent' },
  LOOPGATE_REDIS_URL: {
    used: 'gateway, loop-worker',
    default: '-',
    text: 'Redis, or the nodes of a cluster separated by commas; without it the commands of this repository start a private one',
  },
  LOOPGATE_QUEUE_REDIS_URL: {
    used: 'gateway, loop-worker',
    default: 'LOOPGATE_REDIS_URL',
    text: 'Redis of queues, loops, keys and limits (noeviction, AOF), if it is not the one of the cache',
  },
  LOOPGATE_KEY_PREFIX: {
    used: 'gateway, loop-worker',
    default: 'lg',
    text: 'Prefix of every Redis key; the keys of the queue begin with {<prefix>-queue}',
  },
  LOOPGATE_API_KEYS: {
    used: 'gateway',
    default: '[]',
    text: 'JSON list of {tenant, name, sha256, scopes, cache?}; sha256 is the hex digest of the key, cache the defaults {scope?, ttlSeconds?, mode?}',
  },
  LOOPGATE_ADMIN_KEY: {
    used: 'gateway',
    default: '-',
    text: 'An admin key of at least 32 characters; without one here or in LOOPGATE_API_KEYS one is made and printed at the first start',
  },
  LOOPGATE_LIMIT_LEASE_MS: {
    used: 'gateway',
    default: '30000',
    text: 'How long what a replica has reserved under the limits of keys and tenants outlives the replica',
  },
  LOOPGATE_PRICES: {
    used: 'gateway',
    default: 'those of the public catalogue',
    text: 'JSON object of model to {promptMicroUsdPerMillion, completionMicroUsdPerMillion}, micro-USD for a million tokens, for limits on money',
  },
  LOOPGATE_SHED_DELAY_MS: {
    used: 'gateway',
    default: '100',
    text: 'Delay of a busy event loop in ms, as somebody meets it who comes at any time, above which no more new work is taken on than gets done, batch work last',
  },
  LOOPGATE_SHED_HEAP_PERCENT: {
    used: 'gateway',
    default: '92',
    text: 'Share of the heap limit of Node at which all new work is refused; batch work from 80 % of it',
  },
  LOOPGATE_SHED_BODY_BYTES: {
    used: 'gateway',
    default: '268435456',
    text: 'Bodies of requests under way at which all new work is refused; batch work from 80 % of it',
  },
  LOOPGATE_RUNNER_TOKEN: { used: 'gateway, sandbox-runner', default: '-', text: 'Token with which runners attach' },
  LOOPGATE_CACHE_SECRET: {
    used: 'gateway',
    default: 'made at first start, kept in Redis',
    text: 'Secret of the installation that cache keys are made with; the same on every replica',
  },
  LOOPGATE_CACHE_TTL_SECONDS: { used: 'gateway', default: '604800', text: 'How long a generation is kept' },
  LOOPGATE_CACHE_SHARED: {
    used: 'gateway',
    default: 'false',
    text: 'Whether tenants may share generations with each other where both ask for it',
  },
  LOOPGATE_CACHE_TIMEOUT_MS: {
    used: 'gateway',
    default: '150',
    text: 'Longest wait for an answer of the Redis of the cache; beyond it a completion goes on without. Only whether another replica has made the call already is waited for until Redis counts as away: three answers missed over a second',
  },
  LOOPGATE_CACHE_MEMORY_BYTES: { used: 'gateway', default: '67108864', text: 'Size of the in-process cache' },
  LOOPGATE_ORGANISATIONS: {
    used: 'gateway',
    default: '[]',
    text: 'JSON list of {name, keys, models?}: organisations with an account at Cerebras, their keys, and their models if not all; CEREBRAS_API_KEY is one more, named default',
  },
  LOOPGATE_FALLBACKS: {
    used: 'gateway',
    default: '[]',
    text: 'JSON list of {name, url, key or keyEnv, models}: other upstreams with the OpenAI API for when Cerebras cannot answer in time; models maps the names of callers to theirs',
  },
  LOOPGATE_UPSTREAM_URL: { used: 'gateway', default: 'https://api.cerebras.ai', text: 'Origin of the Cerebras API' },
  LOOPGATE_UPSTREAM_FIRST_BYTE_MS: { used: 'gateway', default: '60000', text: 'Longest wait for the upstream headers' },
  LOOPGATE_UPSTREAM_IDLE_MS: { used: 'gateway', default: '30000', text: 'Longest gap between two pieces of a reply' },
  LOOPGATE_UPSTREAM_TOTAL_MS: { used: 'gateway', default: '600000', text: 'Longest duration of one upstream call' },
  LOOPGATE_UPSTREAM_CONNECTIONS: {
    used: 'gateway',
    default: '4096',
    text: 'Connections to each upstream, opened as needed: so many calls can be under way, others wait for one of them',
  },
  LOOPGATE_UPSTREAM_LIMITS: {
    used: 'gateway',
    default: '{}',
    text: 'JSON of {organisation or *: {model or *: {requestsPerMinute?, tokensPerMinute?, totalTokensPerMinute?, ...PerHour?, ...PerDay?}}}: limits of the provider before its replies have named them',
  },
  LOOPGATE_UPSTREAM_TRIES: {
    used: 'gateway',
    default: '3',
    text: 'Upstream calls that one generation may take where the upstream fails before any of the answer has come',
  },
  LOOPGATE_QUEUE_DEADLINE_MS: {
    used: 'gateway',
    default: '120000',
    text: 'How long a generation may wait for room at the upstream if its caller does not say',
  },
  LOOPGATE_QUEUE_MAX: {
    used: 'gateway',
    default: '10000',
    text: 'Generations that may wait for each model; loops fill 90 % of it at most, batches 50 %',
  },
  LOOPGATE_QUEUE_MAX_BYTES: {
    used: 'gateway',
    default: '268435456',
    text: 'Size of the bodies of those that wait for each model',
  },
  LOOPGATE_OUTPUT_CAPS: {
    used: 'gateway',
    default: 'true',
    text: 'Whether bounds learnt from earlier answers are put on outputs, so that the provider reserves less for them',
  },
  LOOPGATE_SERVICE_TIERS: {
    used: 'gateway',
    default: 'false',
    text: 'Whether the account has the service tiers of Cerebras: priorities are then sent as service_tier',
  },
  LOOPGATE_EXECUTION_QUEUE_MS: { used: 'gateway', default: '120000', text: 'Longest wait of an execution for a slot' },
  LOOPGATE_EXECUTION_QUEUE_MAX: {
    used: 'gateway',
    default: '10000',
    text: 'Executions that may wait for a slot; and asynchronous ones that may wait in the queue',
  },
  LOOPGATE_EXECUTION_RESULT_TTL_SECONDS: {
    used: 'gateway',
    default: '3600',
    text: 'How long the result of an asynchronous execution is kept',
  },
  LOOPGATE_ASYNC_EXECUTIONS: {
    used: 'gateway',
    default: '64',
    text: 'Asynchronous executions that one replica takes up at once; 0 leaves them to the others',
  },
  LOOPGATE_VERDICT_TTL_SECONDS: {
    used: 'gateway',
    default: '86400',
    text: 'How long the verdict on a candidate is reused for the same checks; 0 runs every time',
  },
  LOOPGATE_VERDICT_ENTRIES: {
    used: 'gateway',
    default: '10000',
    text: 'Verdicts that are kept for one tenant; the oldest goes first',
  },
  LOOPGATE_EXECUTION_CEILINGS: {
    used: 'gateway',
    default: 'those of the API',
    text: 'JSON with the most that a limit of an execution or loop may be, e.g. {"wallMs":30000,"memoryBytes":1073741824}',
  },
  LOOPGATE_GATEWAY_URL: { used: 'loop-worker, sandbox-runner', default: '-', text: 'Base URL of the gateway' },
  LOOPGATE_SERVICE_KEY: {
    used: 'loop-worker',
    default: '-',
    text: 'API key of the worker, of scope worker: what a loop asks is paid for by the key that made it',
  },
  LOOPGATE_WORKER_CONCURRENCY: { used: 'loop-worker', default: '32', text: 'Slices that one worker runs at once' },
  LOOPGATE_WORKER_PORT: {
    used: 'loop-worker',
    default: '0',
    text: 'Port of the health and metrics page of the worker; 0 opens none',
  },
  LOOPGATE_SLICE_MS: { used: 'loop-worker', default: '5000', text: 'Quantum after which a loop yields to the others' },
  LOOPGATE_STALL_MS: {
    used: 'gateway, loop-worker',
    default: '10000',
    text: 'How long a dead process keeps its slices and asynchronous executions',
  },
  LOOPGATE_RUNNER_ID: { used: 'sandbox-runner', default: 'host name and a random part', text: 'Name of the runner' },
  LOOPGATE_RUNNER_SLOTS: { used: 'sandbox-runner', default: 'twice the cores', text: 'Executions that run at once' },
  LOOPGATE_RUNNER_LANGUAGES: {
    used: 'sandbox-runner',
    default: 'none',
    text: 'Languages beyond the built-in ones: a JSON array, or the path of a file that holds one (see operating.md)',
  },
  LOOPGATE_RUNNER_WARM_MIN: {
    used: 'sandbox-runner',
    default: '1',
    text: 'Sandboxes of Python and of JavaScript, with default limits, that always wait',
  },
  LOOPGATE_RUNNER_WARM_MAX: {
    used: 'sandbox-runner',
    default: 'four times the cores',
    text: 'Sandboxes that may wait altogether; 0 starts none ahead',
  },
  LOOPGATE_RUNNER_UID: {
    used: 'sandbox-runner',
    default: '65534',
    text: 'User that starts sandboxes when the runner itself is root',
  },
  LOOPGATE_BWRAP_PATH: { used: 'sandbox-runner', default: 'found on PATH', text: 'The bubblewrap program' },
  LOOPGATE_PYTHON_PATH: { used: 'sandbox-runner', default: 'found in /usr/bin', text: 'The Python of the sandboxes' },
  LOOPGATE_NODE_PATH: {
    used: 'sandbox-runner',
    default: 'the Node that runs the runner',
    text: 'The Node of the sandboxes',
  },
  LOOPGATE_RUNSC_PATH: {
    used: 'sandbox-runner',
    default: 'found on PATH; without it the tier gvisor is not offered',
    text: 'The runsc program of gVisor',
  },
  LOOPGATE_SIM_PORT: { used: 'cerebras-sim', default: '8081', text: 'Port the simulator listens on' },
  LOOPGATE_SIM_HOST: { used: 'cerebras-sim', default: '127.0.0.1', text: 'Address the simulator listens on' },
  LOOPGATE_SIM_KEYS: {
    used: 'cerebras-sim',
    default: 'any key that begins with csk-',
    text: 'Comma separated keys that the simulator accepts',
  },
  LOOPGATE_SIM_TOKENS_PER_SECOND: {
    used: 'cerebras-sim',
    default: '0',
    text: 'Pace of a simulated generation; 0 is as fast as possible',
  },
  LOOPGATE_SIM_LIMITS: {
    used: 'cerebras-sim',
    default: 'off',
    text: 'off, free or developer: the rate limits of that tier',
  },
  LOOPGATE_SIM_RETRY_AFTER: {
    used: 'cerebras-sim',
    default: 'false',
    text: 'Whether a simulated 429 of a rate limit carries retry-after',
  },
  LOOPGATE_SIM_REFUND: {
    used: 'cerebras-sim',
    default: 'true',
    text: 'Whether a request is debited the tokens it used; else all that it reserved',
  },
  LOOPGATE_SIM_PROMPT_CACHE: {
    used: 'cerebras-sim',
    default: 'false',
    text: 'Whether repeated prompt prefixes count as cached tokens',
  },
  LOOPGATE_SIM_MAX_IN_FLIGHT: {
    used: 'cerebras-sim',
    default: '0',
    text: 'Generations at once beyond which the simulator is congested (queue_exceeded); 0 is no bound',
  },
  LOOPGATE_SIM_FAULTS: {
    used: 'cerebras-sim',
    default: '[]',
    text: 'JSON list of faults set from the start: {kind, count?, model?, organisation?, afterChunks?, delayMs?, window?, retryAfterSeconds?}',
  },
  LOOPGATE_REDIS_PORT: { used: 'npm start, npm run demo', default: 'a free one', text: 'Port of the private Redis' },
  LOOPGATE_STATE_FOLDER: {
    used: 'npm start, npm run demo',
    default: '.loopgate',
    text: 'Where keys, logs and the data of the private Redis are kept',
  },
  LOOPGATE_REDIS_SERVER: {
    used: 'npm start, npm run demo',
    default: 'found or brought',
    text: 'The redis-server program that the private Redis is started with',
  },
  LOOPGATE_TEST_REDIS_URL: { used: 'npm test', default: 'a private one', text: 'Redis of the test suite' },
}
