import type { Clock, Secret } from '@loopgate/service-kit'
import { headersOf, type Dialect } from '../call/headers.ts'
import type { Remedy } from '../remedies/table.ts'
import { createEjection, type EjectionOptions } from './ejection.ts'

/** An organisation with an account at the upstream, as the operator configures it. */
export type OrganisationSettings = {
  readonly name: string
  readonly keys: readonly [Secret, ...Secret[]]
  /** The models that it may use; null for all. */
  readonly models: readonly string[] | null
}

/** The same as everybody may see it. */
export type Organisation = Pick<OrganisationSettings, 'name' | 'models'> & { readonly keyCount: number }

/** A key, and what a call with it sends. */
export type Credential = {
  readonly organisation: string
  /** The number of the key in its organisation, from 1, as it may be told to people. */
  readonly number: number
  readonly headers: readonly string[]
  readonly index: number
}

export type CredentialsDeps = {
  readonly clock: Clock
  /** A key was put out. */
  readonly ejected: (credential: Credential) => void
  /** An organisation is left alone for so long, in ms. */
  readonly suspended: (organisation: string, ms: number) => void
}

export type Credentials = {
  readonly organisations: readonly Organisation[]
  /**
   * Whether calls may go to an organisation: it has a key that works and is not left alone. Where none
   * is left, all may be called, since only a call can tell that one is back.
   */
  readonly usable: (organisation: string) => boolean
  /** No organisation is fit to be called: all calls would most likely be refused. */
  readonly exhausted: () => boolean
  /** A key of this organisation, or of any that has the model; each in turn. */
  readonly pick: (model: string, organisation: string | null) => Credential
  /** Whether any other key is fit to be called for a model. */
  readonly another: (credential: Credential, model: string) => boolean
  /** How a call with it ended. */
  readonly told: (credential: Credential, remedy: Pick<Remedy, 'key' | 'pauses' | 'pauseMs'>) => void
}

type Member = Organisation & { readonly keys: readonly Credential[]; turn: number; backAt: number }

/** The keys of all organisations: whose turn it is, and who is left alone. */
export function createCredentials(
  { clock, ejected, suspended }: CredentialsDeps,
  settings: readonly OrganisationSettings[],
  { dialect, ejection: ejectionOptions }: { dialect: Dialect; ejection?: EjectionOptions },
): Credentials {
  const all: Credential[] = []
  const members: Member[] = settings.map(({ name, models, keys }) => {
    const own = keys.map((key, at) => {
      const made = { organisation: name, number: at + 1, headers: headersOf(dialect, key), index: all.length }
      all.push(made)
      return made
    })
    return { name, models, keys: own, keyCount: own.length, turn: 0, backAt: Number.NEGATIVE_INFINITY }
  })
  const byName = new Map(members.map((member) => [member.name, member]))
  const ejection = createEjection({ clock }, all.length, ejectionOptions)
  let turn = 0

  return {
    organisations: members.map(({ name, models, keyCount }) => ({ name, models, keyCount })),
    usable(name) {
      const member = byName.get(name)
      return member !== undefined && (isFit(member) || !members.some(isFit))
    },
    exhausted: () => !members.some(isFit),
    pick(model, organisation) {
      const named = organisation === null ? undefined : byName.get(organisation)
      const member = named ?? chosen(model)
      const inTurn = member.keys.map((_, step) => member.keys[(member.turn + step) % member.keys.length] as Credential)
      // The one that is back first, where all are out.
      const found =
        inTurn.find((key) => !isOut(key)) ??
        inTurn.reduce((a, b) => (ejection.backAt(b.index) < ejection.backAt(a.index) ? b : a))
      member.turn = found.number % member.keys.length
      return found
    },
    another: ({ index }, model) =>
      members.some(
        (member) =>
          serves(member, model) && isFit(member) && member.keys.some((key) => key.index !== index && !isOut(key)),
      ),
    told(credential, { key, pauses, pauseMs }) {
      const { index } = credential
      if (key === 'works') ejection.works(index)
      if (key === 'failed' && ejection.failed(index)) ejected(credential)
      if (key === 'useless' && ejection.useless(index)) ejected(credential)
      const member = byName.get(credential.organisation)
      if (pauses !== 'organisation' || member === undefined || member.backAt > clock.now()) return
      member.backAt = clock.now() + pauseMs
      suspended(member.name, pauseMs)
    },
  }

  function isOut({ index }: Credential): boolean {
    return ejection.isOut(index)
  }

  function isFit({ keys, backAt }: Member): boolean {
    return backAt <= clock.now() && !keys.every(isOut)
  }

  /** Of those that have the model the fit ones, each in turn; any where there is none. */
  function chosen(model: string): Member {
    const having = members.filter((member) => serves(member, model))
    const fit = having.filter(isFit)
    const among = [fit, having, members].find((some) => some.length > 0) ?? members
    return among[turn++ % among.length] as Member
  }
}

const serves = ({ models }: Organisation, model: string): boolean => models === null || models.includes(model)
