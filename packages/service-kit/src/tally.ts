import { Counter, type Registry } from 'prom-client'

/** A counter for hot paths; `add` takes the values of the labels in the order of their names. */
export type Tally = { readonly add: (value: number, ...labels: readonly string[]) => void }

export type TallyOptions = { readonly name: string; readonly help: string; readonly labelNames: readonly string[] }

/**
 * A counter that counts in plain numbers and hands them to prom-client when it is read, which spares
 * each event the making and hashing of a labels object. Label values must have a bound.
 */
export function createTally(registry: Registry, { name, help, labelNames }: TallyOptions): Tally {
  const pending = new Map<string, { readonly labels: Record<string, string>; value: number }>()
  const counter: Counter = new Counter({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      for (const series of pending.values()) {
        if (series.value > 0) counter.inc(series.labels, series.value)
        series.value = 0
      }
    },
  })

  return {
    add(value, ...labels) {
      // A counter only grows, whatever numbers come from outside.
      if (!(value > 0)) return
      const key = labels.join('\0')
      const series = pending.get(key)
      if (series !== undefined) series.value += value
      else pending.set(key, { labels: labelled(labels), value })
    },
  }

  function labelled(values: readonly string[]): Record<string, string> {
    return Object.fromEntries(labelNames.map((label, index) => [label, values[index] ?? '']))
  }
}
