import type { Logger } from '@loopgate/service-kit'
import type { FastifyBaseLogger } from 'fastify'

/**
 * The logger of one request: the process's, with the request's id. It is made when something is first
 * said, which for nearly all requests is never; making it would be a twentieth of a cache hit's cost.
 */
export function requestLogger(parent: Logger, bindings: Record<string, unknown>): FastifyBaseLogger {
  return new RequestLogger(parent, bindings)
}

class RequestLogger {
  readonly #parent: Logger
  readonly #bindings: Record<string, unknown>
  #made: Logger | null = null

  constructor(parent: Logger, bindings: Record<string, unknown>) {
    this.#parent = parent
    this.#bindings = bindings
  }

  get #logger(): Logger {
    this.#made ??= this.#parent.child(this.#bindings)
    return this.#made
  }

  /** Asked for what is said often and heard seldom. */
  #isHeard(level: 'debug' | 'trace'): boolean {
    return (this.#made ?? this.#parent).isLevelEnabled(level)
  }

  get level(): string {
    return this.#logger.level
  }

  set level(level: string) {
    this.#logger.level = level
  }

  fatal(...said: Parameters<Logger['fatal']>): void {
    this.#logger.fatal(...said)
  }

  error(...said: Parameters<Logger['error']>): void {
    this.#logger.error(...said)
  }

  warn(...said: Parameters<Logger['warn']>): void {
    this.#logger.warn(...said)
  }

  info(...said: Parameters<Logger['info']>): void {
    this.#logger.info(...said)
  }

  debug(...said: Parameters<Logger['debug']>): void {
    if (this.#isHeard('debug')) this.#logger.debug(...said)
  }

  trace(...said: Parameters<Logger['trace']>): void {
    if (this.#isHeard('trace')) this.#logger.trace(...said)
  }

  silent(): void {}

  child(...how: Parameters<Logger['child']>): ReturnType<Logger['child']> {
    return this.#logger.child(...how)
  }
}
