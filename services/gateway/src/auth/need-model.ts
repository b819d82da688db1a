import type { Principal } from '@loopgate/contracts'
import { fault } from '@loopgate/service-kit'

/** Enough to tell which model was meant; the rest of a name could be anything. */
const SHOWN = 100

/** @throws LoopgateError LG_FORBIDDEN, naming the field, for a model that the key may not use */
export function needModel({ models }: Pick<Principal, 'models'>, model: string, param: string): void {
  if (models === undefined || models.has(model)) return
  throw fault('LG_FORBIDDEN', {
    message: `${param}: the API key may use ${[...models].join(', ')}, not ${model.slice(0, SHOWN)}`,
    param,
  })
}
