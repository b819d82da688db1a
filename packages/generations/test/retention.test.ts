import t from 'tap'
import { Flight } from '../src/flight/flight.ts'

/** A reader that takes everything at once. */
function reader(flight: Flight) {
  return {
    position: 0,
    readBytes: 0,
    wake() {
      this.position = flight.log.end
      this.readBytes = flight.log.bytes
    },
    drop() {},
    rewind: () => false,
  }
}

const BLOCK = Buffer.alloc(1024)

t.test('what cannot be shared is not held once it has been read', async (t) => {
  const flight = new Flight({ shared: false, heirs: false, capBytes: 1_000_000, closed: () => {} })
  flight.join(reader(flight))
  for (let block = 0; block < 1000; block++) {
    flight.append(BLOCK, false)
    t.ok(flight.log.blocks.length <= 1)
  }
  t.equal(flight.log.bytes, 1000 * BLOCK.length)
})

t.test('what can be shared is held up to its bound, and dropped as it is read beyond it', async (t) => {
  const flight = new Flight({ shared: true, heirs: false, capBytes: 10 * BLOCK.length, closed: () => {} })
  flight.join(reader(flight))
  for (let block = 0; block < 10; block++) flight.append(BLOCK, false)
  t.equal(flight.log.blocks.length, 10)
  for (let block = 0; block < 100; block++) flight.append(BLOCK, false)
  t.ok(flight.log.blocks.length <= 1)
  t.notOk(flight.join(reader(flight)), 'too late to begin at the beginning')
})
