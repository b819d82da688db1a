import { fault } from '@loopgate/service-kit'
import type { Redis } from 'ioredis'
import type { LoopState } from '@loopgate/contracts'
import type { LoopNotice } from './types.ts'

type Listener = (notice: LoopNotice) => void

export type Notices = {
  /** Resolves once subscribed. @throws LG_STORE_UNAVAILABLE */
  readonly listen: (channel: string, listener: Listener) => Promise<() => void>
  readonly close: () => void
}

/** One subscribing connection for all listeners of a process, opened by the first. */
export function createNotices(redis: Redis): Notices {
  const channels = new Map<string, Set<Listener>>()
  let subscriber: Redis | null = null

  const tell = (listeners: ReadonlySet<Listener> | undefined, notice: LoopNotice): void => {
    listeners?.forEach((listener) => listener(notice))
  }

  const open = (): Redis => {
    // Its offline queue is on whatever the profile: a subscription may well be sent later. How long
    // to wait for it stays as the profile has it.
    const connection = redis.duplicate({
      enableOfflineQueue: true,
      maxRetriesPerRequest: null,
      autoResubscribe: false,
    })
    connection.on('error', () => {})
    connection.on('message', (channel: string, message: string) => tell(channels.get(channel), parse(message)))
    let wasReady = false
    connection.on('ready', () => {
      const again = wasReady
      wasReady = true
      // At first, the subscriptions wait in the queue of this connection and nothing was missed.
      if (!again || channels.size === 0) return
      // Tell only after the subscriptions stand again, else a transition could fall between.
      connection.subscribe(...channels.keys()).then(
        () => channels.forEach((listeners) => tell(listeners, null)),
        () => {}, // cut again: the next `ready` does it
      )
    })
    return connection
  }

  return {
    listen: async (channel, listener) => {
      subscriber ??= open()
      const listeners = channels.get(channel) ?? new Set()
      channels.set(channel, listeners)
      listeners.add(listener)
      const stop = (): void => {
        if (!listeners.delete(listener) || listeners.size > 0 || channels.get(channel) !== listeners) return
        channels.delete(channel)
        subscriber?.unsubscribe(channel).catch(() => {})
      }
      try {
        await subscriber.subscribe(channel)
      } catch (cause) {
        stop()
        throw fault('LG_STORE_UNAVAILABLE', { cause })
      }
      return stop
    },
    close: () => {
      channels.clear()
      subscriber?.disconnect()
      subscriber = null
    },
  }
}

function parse(message: string): LoopNotice {
  const [seq, state] = message.split(' ')
  return { seq: Number(seq), state: state as LoopState }
}
