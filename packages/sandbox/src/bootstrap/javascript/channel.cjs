'use strict'
// Frames between the runner and this process, on descriptor 3: one type byte, a big-endian u32
// length, the payload. Everything is read and written synchronously: the proxy of a check is synchronous.
const { readSync, writeSync, closeSync } = require('node:fs')

const CHANNEL = 3
const { from, alloc } = Buffer
const leave = process.reallyExit.bind(process)

/** Read ahead, since a frame is more often whole in the socket than not. */
let ahead = alloc(0)
const CHUNK_BYTES = 65_536

function readExactly(count) {
  if (ahead.length < count) {
    const buffer = alloc(Math.max(count, CHUNK_BYTES))
    let filled = ahead.copy(buffer)
    while (filled < count) {
      const read = readSync(CHANNEL, buffer, filled, buffer.length - filled, null)
      if (read === 0) leave(0) // the runner is gone, so nobody wants the answer
      filled += read
    }
    ahead = buffer.subarray(0, filled)
  }
  const exactly = ahead.subarray(0, count)
  ahead = ahead.subarray(count)
  return exactly
}

function readFrame() {
  const header = readExactly(5)
  return { kind: String.fromCharCode(header[0]), payload: readExactly(header.readUInt32BE(1)) }
}

function writeAll(descriptor, buffer) {
  let written = 0
  while (written < buffer.length) written += writeSync(descriptor, buffer, written, buffer.length - written, null)
}

function frameOf(kind, payload) {
  const frame = alloc(5 + payload.length)
  frame[0] = kind.charCodeAt(0)
  frame.writeUInt32BE(payload.length, 1)
  payload.copy(frame, 5)
  return frame
}

/** Frames that go out with the next one, since each write wakes the runner. */
let held = []
const holdFrame = (kind, payload) => void held.push(frameOf(kind, payload))

function writeFrame(kind, payload = alloc(0)) {
  const frames = [...held, frameOf(kind, payload)]
  held = []
  writeAll(CHANNEL, frames.length === 1 ? frames[0] : Buffer.concat(frames))
}

/** Says that this process is up, reads the first frame and closes what the runner's own launcher had left open. */
function begin() {
  writeAll(CHANNEL, from('U'))
  const init = JSON.parse(readFrame().payload.toString('utf8'))
  for (const descriptor of init.closeFds) {
    try {
      closeSync(descriptor)
    } catch {
      // it was not inherited
    }
  }
  return init
}

module.exports = { begin, readFrame, holdFrame, writeFrame, writeAll, leave, bytes: from.bind(Buffer) }
