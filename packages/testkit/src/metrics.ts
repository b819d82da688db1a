/** Something whose metrics can be had over HTTP. */
type Scraped = { readonly url: string }

/** Value of one series in the Prometheus text, 0 if it is not there. */
export function series(metrics: string, name: string): number {
  const line = metrics.split('\n').find((text) => text.startsWith(`${name} `))
  return line === undefined ? 0 : Number(line.slice(name.length + 1))
}

/** Value of one series as a process tells it now, 0 if it is not there. */
export async function metric({ url }: Scraped, name: string): Promise<number> {
  return series(await (await fetch(`${url}/metrics`)).text(), name)
}

/** The same of several processes together. */
export async function sumOf(scraped: readonly Scraped[], name: string): Promise<number> {
  return (await Promise.all(scraped.map((each) => metric(each, name)))).reduce((a, b) => a + b, 0)
}
