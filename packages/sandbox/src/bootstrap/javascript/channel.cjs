'use strict'
// Frames between the runner and this process, on descriptor 3: one type byte, a big-endian u32
// length, the payload. Everything is read and written synchronously: the proxy of a check is synchronous.
const { readSync, writeSync, closeSync } = require('node:fs')

const CHANNEL = 3
const { from, alloc } = Buffer
const leave = process.reallyExit.bind(process)

function readExactly(count) {
  const buffer = alloc(count)
  let filled = 0
  while (filled < count) {
    const read = readSync(CHANNEL, buffer, filled, count - filled, null)
    if (read === 0) leave(0) // the runner is gone, so nobody wants the answer
    filled += read
  }
  return buffer
}

function readFrame() {
  const header = readExactly(5)
  return { kind: String.fromCharCode(header[0]), payload: readExactly(header.readUInt32BE(1)) }
}

function writeAll(descriptor, buffer) {
  let written = 0
  while (written < buffer.length) written += writeSync(descriptor, buffer, written, buffer.length - written, null)
}

function writeFrame(kind, payload = alloc(0)) {
  const frame = alloc(5 + payload.length)
  frame[0] = kind.charCodeAt(0)
  frame.writeUInt32BE(payload.length, 1)
  payload.copy(frame, 5)
  writeAll(CHANNEL, frame)
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

module.exports = { begin, readFrame, writeFrame, writeAll, leave, bytes: from.bind(Buffer) }
