import websocketPlugin from '@fastify/websocket'
import { MAX_MESSAGE_BYTES } from '@loopgate/contracts'
import type { App } from '../../app-type.ts'

/**
 * WebSockets for runners. https://github.com/fastify/fastify-websocket
 * No deflate: it costs memory without bound under load (websockets/ws#1369). Sockets are closed by
 * the runner hub, which first lets running executions end, so the plugin's own closing is off.
 */
export async function websocket(app: App): Promise<void> {
  await app.register(websocketPlugin, {
    options: { perMessageDeflate: false, maxPayload: MAX_MESSAGE_BYTES },
    preClose: (done) => done(),
    errorHandler: (error, socket, request) => {
      request.log.debug({ err: error }, 'runner socket failed')
      socket.terminate()
    },
  })
}
