import { type KeyWithSecret, keyWithSecretSchema, type UsageView, usageViewSchema } from '@loopgate/contracts'
import { send } from './http.ts'

type Gate = { readonly url: string; readonly adminKey: string }

/** Makes a key with these limits, of tenant `initech` unless another is named. */
export async function limitedKey(gate: Gate, limits: object, over: object = {}): Promise<KeyWithSecret> {
  const body = { tenant: 'initech', name: 'limited', scopes: ['complete', 'execute'], limits, ...over }
  const reply = await send(`${gate.url}/api/keys`, { key: gate.adminKey, body })
  return keyWithSecretSchema.parse(reply.json)
}

/** What a key has used and holds. */
export async function usageOf(gate: Gate, id: string): Promise<UsageView> {
  return usageViewSchema.parse((await send(`${gate.url}/api/keys/${id}/usage`, { key: gate.adminKey })).json)
}
