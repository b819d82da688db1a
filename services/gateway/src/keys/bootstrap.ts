import type { KeyServices } from './key-services.ts'

/**
 * Makes the first key of an installation whose configuration has no admin key, and returns its secret,
 * which is told this once; null where there is nothing to do. Of replicas that start together one makes it.
 */
export async function bootstrapAdmin({ administration }: KeyServices): Promise<string | null> {
  try {
    const made = await administration.bootstrap({ tenant: 'admin', name: 'first admin key', scopes: ['admin'] })
    return made?.secret ?? null
  } catch {
    // Without Redis there is nowhere to keep it; whoever needs one will start again.
    return null
  }
}
