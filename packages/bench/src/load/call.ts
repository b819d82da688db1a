/** One POST that a load generator repeats. */
export type Call = {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}
