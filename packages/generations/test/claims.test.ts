import { createLogger, systemClock } from '@loopgate/service-kit'
import { redis } from '@loopgate/testkit/redis'
import t, { type Test } from 'tap'
import { createConnection } from '../src/cache/connection.ts'
import { generationKey } from '../src/cache/keys.ts'
import { type Claim, type ClaimMode, createClaims } from '../src/replicas/claims.ts'
import { flightKey } from '../src/replicas/keys.ts'
import { scripted } from '../src/replicas/scripts.ts'

const KEY = `${'a'.repeat(56)}00000000`
const LEASE_MS = 60_000
const deps = { clock: systemClock, logger: createLogger('test', 'silent') }

async function claims(t: Test) {
  const { url, keyPrefix: prefix, client } = await redis(t)
  const connection = createConnection(deps, url, 10_000)
  t.teardown(() => connection.close())
  const at = (address: string) => {
    const made = createClaims({ connection }, { prefix, address: () => address, leaseMs: LEASE_MS })
    return {
      ...made,
      claim: (key: string, mode: ClaimMode, dead: string | null) => made.claim(key, mode, dead, () => {}),
    }
  }
  return {
    at,
    client,
    value: generationKey(prefix, KEY),
    flight: flightKey(prefix, KEY),
    /** Writes as the leader with this token; null if the write did not get through. */
    store: (token: string, value: string) =>
      connection.attempt((redis) =>
        scripted(redis).lgStore(generationKey(prefix, KEY), flightKey(prefix, KEY), token, value, 60_000, 60_000),
      ),
  }
}

function token(claim: Claim | null, kind: 'lead' | 'follow'): string {
  if (claim?.kind !== kind) throw new Error(`expected ${kind}, got ${JSON.stringify(claim)}`)
  return claim.token
}

t.test('of any number of claims at once one leads, and all others follow it', async (t) => {
  const { at } = await claims(t)
  const found = await Promise.all(
    Array.from({ length: 50 }, async (_, index) => ({
      address: `http://${index % 5}`,
      claim: await at(`http://${index % 5}`).claim(KEY, 'any', null),
    })),
  )
  const leads = found.filter(({ claim }) => claim?.kind === 'lead')
  t.equal(leads.length, 1)
  const lead = leads[0]
  const expected = { kind: 'follow', address: lead?.address, token: token(lead?.claim ?? null, 'lead') }
  for (const { claim } of found) if (claim?.kind !== 'lead') t.strictSame(claim, expected)
})

t.test('a leader found dead has one successor, and its token leads nobody any more', async (t) => {
  const { at } = await claims(t)
  const dead = token(await at('http://a').claim(KEY, 'any', null), 'lead')
  const others = await Promise.all(['b', 'c', 'd'].map((name) => at(`http://${name}`).claim(KEY, 'any', dead)))
  const leads = others.filter((claim) => claim?.kind === 'lead')
  t.equal(leads.length, 1)
  const fresh = token(leads[0] ?? null, 'lead')
  t.ok(BigInt(fresh) > BigInt(dead))
  for (const claim of others) if (claim?.kind === 'follow') t.equal(claim.token, fresh)
  t.strictSame(await at('http://a').renew([{ key: KEY, token: dead }]), [{ key: KEY, token: dead }])
  await at('http://a').release({ key: KEY, token: dead })
  t.equal(token(await at('http://e').claim(KEY, 'any', dead), 'follow'), fresh, 'the old leader released nothing')
})

t.test('the write of a leader that was succeeded is refused, before and after its successor’s', async (t) => {
  const { at, store, client, value } = await claims(t)
  const old = token(await at('http://a').claim(KEY, 'any', null), 'lead')
  const fresh = token(await at('http://b').claim(KEY, 'any', old), 'lead')
  t.equal(await store(old, 'old'), 0)
  t.equal(await client.get(value), null)
  t.equal(await store(fresh, 'new'), 1)
  t.equal(await store(old, 'old'), 0)
  t.equal(await client.get(value), 'new')
  t.equal(await store(fresh, 'new'), 1, 'the same write again, after a reply that was lost')
  t.strictSame(await at('http://c').claim(KEY, 'any', null), { kind: 'hit', value: Buffer.from('new') })
})

t.test('no-cache leads whatever there is, and the flight that it replaced keeps nothing', async (t) => {
  const { at, store } = await claims(t)
  const old = token(await at('http://a').claim(KEY, 'any', null), 'lead')
  const fresh = token(await at('http://b').claim(KEY, 'force', null), 'lead')
  t.equal(await store(old, 'old'), 0)
  t.equal(token(await at('http://c').claim(KEY, 'fresh', null), 'follow'), fresh)
})

t.test('a lease that has lapsed leads nobody unless its holder renews it first', async (t) => {
  const { at, client, flight } = await claims(t)
  const first = token(await at('http://a').claim(KEY, 'any', null), 'lead')
  const lapse = () => client.hset(flight, 'until', '1')
  await lapse()
  t.strictSame(await at('http://a').renew([{ key: KEY, token: first }]), [])
  t.equal(token(await at('http://b').claim(KEY, 'any', null), 'follow'), first)
  await lapse()
  const fresh = token(await at('http://b').claim(KEY, 'any', null), 'lead')
  t.not(fresh, first)
  t.strictSame(await at('http://a').renew([{ key: KEY, token: first }]), [{ key: KEY, token: first }])
})

t.test('what was led while Redis was away is kept, but never over a leader’s head', async (t) => {
  const { at, store, client, value } = await claims(t)
  t.equal(await store('', 'alone'), 1)
  t.equal(await client.get(value), 'alone')
  const lead = token(await at('http://a').claim(KEY, 'fresh', null), 'lead')
  t.equal(await store('', 'alone again'), 0)
  t.equal(await store(lead, 'led'), 1)
})

t.test('tokens grow though Redis has forgotten the flight, and a forgotten leader overwrites nothing', async (t) => {
  const { at, store, client, flight, value } = await claims(t)
  const old = token(await at('http://a').claim(KEY, 'any', null), 'lead')
  await client.del(flight)
  const fresh = token(await at('http://b').claim(KEY, 'any', null), 'lead')
  t.ok(BigInt(fresh) > BigInt(old))
  t.equal(await store(fresh, 'new'), 1)
  await client.del(flight)
  await store(old, 'old')
  t.equal(await client.get(value), 'new')
})

t.test('nothing stays for ever: every key of a flight has an end', async (t) => {
  const { at, store, client, value, flight } = await claims(t)
  const lead = token(await at('http://a').claim(KEY, 'any', null), 'lead')
  t.ok((await client.pttl(flight)) > 0)
  await at('http://a').renew([{ key: KEY, token: lead }])
  t.ok((await client.pttl(flight)) > 60_000)
  await store(lead, 'x')
  t.ok((await client.pttl(flight)) <= 60_000)
  t.ok((await client.pttl(value)) > 0)
})

t.test('a leader whose call failed has one heir: who comes later follows it, and takes what it stored', async (t) => {
  const { at, store } = await claims(t)
  const failed = token(await at('http://a').claim(KEY, 'any', null), 'lead')
  const claimed = await Promise.all(['a', 'b', 'c'].map((name) => at(`http://${name}`).claim(KEY, 'heir', failed)))
  const heirs = claimed.filter((claim) => claim?.kind === 'lead')
  t.equal(heirs.length, 1)
  const heir = token(heirs[0] ?? null, 'lead')
  for (const claim of claimed) if (claim !== heirs[0]) t.equal(token(claim, 'follow'), heir)
  await store(heir, 'by the heir')
  const late = await at('http://d').claim(KEY, 'heir', failed)
  t.strictSame(late, { kind: 'hit', value: Buffer.from('by the heir') })
})

t.test('an heir whose call fails too has no heir, whatever older answer is stored', async (t) => {
  const { at, store } = await claims(t)
  await store(token(await at('http://a').claim(KEY, 'any', null), 'lead'), 'old')
  const failed = token(await at('http://a').claim(KEY, 'force', null), 'lead')
  await at('http://a').release({ key: KEY, token: failed })
  const heir = token(await at('http://b').claim(KEY, 'heir', failed), 'lead')
  await at('http://b').release({ key: KEY, token: heir })
  t.strictSame(await at('http://c').claim(KEY, 'heir', failed), { kind: 'spent' })
  t.equal((await at('http://c').claim(KEY, 'fresh', null))?.kind, 'lead', 'a new caller begins anew')
})

t.test('an heir that is lost has a successor; one that has failed, or stored its answer, has none', async (t) => {
  const { at, store, client, flight } = await claims(t)
  const failed = token(await at('http://a').claim(KEY, 'any', null), 'lead')
  await at('http://a').release({ key: KEY, token: failed })
  const heir = token(await at('http://a').claim(KEY, 'heir', failed), 'lead')
  const next = token(await at('http://b').claim(KEY, 'orphan', heir), 'lead')
  await client.hset(flight, 'until', '1')
  t.strictSame(await at('http://c').claim(KEY, 'orphan', heir), { kind: 'spent' }, 'another has taken over already')
  await at('http://b').release({ key: KEY, token: next })
  t.strictSame(await at('http://c').claim(KEY, 'orphan', next), { kind: 'spent' })
  await store(next, 'answer')
  t.strictSame(await at('http://c').claim(KEY, 'orphan', next), { kind: 'hit', value: Buffer.from('answer') })
})

t.test('whoever came too late to join a flight has what it stored, though no older answer will do', async (t) => {
  const { at, store } = await claims(t)
  await store(token(await at('http://a').claim(KEY, 'any', null), 'lead'), 'old')
  const lead = token(await at('http://a').claim(KEY, 'fresh', null), 'lead')
  t.equal(token(await at('http://b').claim(KEY, 'fresh', null), 'follow'), lead)
  await store(lead, 'new')
  t.strictSame(await at('http://b').claim(KEY, 'fresh', lead), { kind: 'hit', value: Buffer.from('new') })
  t.equal((await at('http://b').claim(KEY, 'fresh', null))?.kind, 'lead', 'for a caller who comes now it is old')
})
