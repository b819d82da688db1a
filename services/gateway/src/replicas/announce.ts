import type { AddressInfo } from 'node:net'
import type { Generations } from '@loopgate/generations'
import fp from 'fastify-plugin'
import { addressOf } from './address.ts'

/** Enters this replica in the registry once it listens, at the operator's address or the one it is bound to. */
export const announce = fp<{ generations: Generations; advertiseUrl: string | null }>(
  async (app, { generations, advertiseUrl }) => {
    app.addHook('onListen', async () => {
      await generations.announce(advertiseUrl ?? addressOf(app.server.address() as AddressInfo))
    })
  },
  { name: 'announce' },
)
