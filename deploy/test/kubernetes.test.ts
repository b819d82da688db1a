import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ENV_NAMES } from '@loopgate/service-kit'
import { schemaFaults } from './kubernetes-schema.ts'
import { readManifests, readText, readYaml, ROOT, type Manifest } from './read.ts'

type Container = {
  readonly name: string
  readonly image: string
  readonly env?: ReadonlyArray<{ readonly name: string; readonly value?: string }>
  readonly securityContext?: {
    readonly allowPrivilegeEscalation?: boolean
    readonly readOnlyRootFilesystem?: boolean
    readonly privileged?: boolean
    readonly procMount?: string
    readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] }
  }
  readonly resources?: {
    readonly requests?: Readonly<Record<string, string>>
    readonly limits?: Readonly<Record<string, string>>
  }
  readonly livenessProbe?: { readonly httpGet?: { readonly path: string } }
  readonly startupProbe?: { readonly httpGet?: { readonly path: string } }
  readonly readinessProbe?: { readonly httpGet?: { readonly path: string } }
  readonly lifecycle?: { readonly preStop?: unknown }
}
type Workload = Manifest & {
  readonly spec: {
    readonly replicas?: number
    readonly template: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> }
      readonly spec: {
        readonly containers: readonly Container[]
        readonly automountServiceAccountToken?: boolean
        readonly serviceAccountName?: string
        readonly hostUsers?: boolean
        readonly hostNetwork?: boolean
        readonly hostPID?: boolean
        readonly terminationGracePeriodSeconds?: number
        readonly securityContext?: {
          readonly runAsNonRoot?: boolean
          readonly runAsUser?: number
          readonly seccompProfile?: { readonly type: string }
        }
      }
    }
  }
}
type Policy = Manifest & {
  readonly spec: {
    readonly podSelector: { readonly matchLabels?: Readonly<Record<string, string>> }
    readonly policyTypes: readonly string[]
    readonly ingress?: unknown
    readonly egress?: ReadonlyArray<{
      readonly to?: ReadonlyArray<{
        readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] }
        readonly podSelector?: { readonly matchLabels?: Readonly<Record<string, string>> }
      }>
      readonly ports: ReadonlyArray<{ readonly port: number }>
    }>
  }
}

const kustomization = readYaml('k8s/kustomization.yaml') as {
  resources: string[]
  images: Array<{ name: string; newTag: string }>
}
const manifests = kustomization.resources.flatMap((file) => readManifests(join('k8s', file)))
const ofKind = <T extends Manifest>(...kinds: string[]) => manifests.filter(({ kind }) => kinds.includes(kind)) as T[]
const workloads = ofKind<Workload>('Deployment', 'StatefulSet')
const policies = ofKind<Policy>('NetworkPolicy')
const PRODUCT = 'app.kubernetes.io/name'

t.test('every file of the base is part of it', (t) => {
  const files = readdirSync(join(ROOT, 'k8s')).filter((file) => file.endsWith('.yaml') && file !== 'kustomization.yaml')
  t.strictSame(files.sort(), [...kustomization.resources].sort())
  t.end()
})

t.test('every manifest fits the schema of its kind, without a key that Kubernetes does not know', async (t) => {
  for (const manifest of manifests) {
    t.strictSame(await schemaFaults(manifest), [], `${manifest.kind} ${manifest.metadata.name}`)
  }
})

t.test('the schema check can fail', async (t) => {
  const [gateway] = manifests.filter(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'gateway')
  const broken = structuredClone(gateway) as unknown as {
    spec: { replicas: unknown; template: { spec: { containers: Array<Record<string, unknown>> } } }
  }
  broken.spec.replicas = '3'
  t.match((await schemaFaults(broken as unknown as Manifest)).join(), /replicas/)
  broken.spec.replicas = 3
  for (const container of broken.spec.template.spec.containers) container['prots'] = []
  t.match((await schemaFaults(broken as unknown as Manifest)).join(), /prots/)
})

t.test('every container is locked down', (t) => {
  t.equal(workloads.length, 5)
  for (const workload of workloads) {
    const { name } = workload.metadata
    const pod = workload.spec.template.spec
    t.equal(pod.automountServiceAccountToken, false, `${name} holds no token of the cluster`)
    t.equal(pod.serviceAccountName, name, `${name} has an account of its own`)
    t.equal(pod.securityContext?.runAsNonRoot, true, `${name} is not root`)
    t.ok((pod.securityContext?.runAsUser ?? 0) > 0, `${name} has a numeric user`)
    t.notOk(pod.hostNetwork, `${name} has a network of its own`)
    t.notOk(pod.hostPID, `${name} sees its own processes only`)
    for (const container of pod.containers) {
      const context = container.securityContext
      t.equal(context?.allowPrivilegeEscalation, false, `${name} cannot gain privileges`)
      t.equal(context?.readOnlyRootFilesystem, true, `${name} cannot write to its image`)
      t.strictSame(context?.capabilities, { drop: ['ALL'] }, `${name} has no capability`)
      t.notOk(context?.privileged, `${name} is not privileged`)
      t.ok(container.resources?.requests?.['cpu'], `${name} requests CPU`)
      t.ok(container.resources?.requests?.['memory'], `${name} requests memory`)
      t.ok(container.resources?.limits?.['memory'], `${name} has a memory limit`)
      t.match(imageTag(container.image), /^\d+\.\d+\.\d+/, `${name} has an exact tag`)
    }
  }
  t.end()
})

function imageTag(image: string): string | undefined {
  return image.split(':')[1] ?? kustomization.images.find(({ name }) => name === image)?.newTag
}

t.test('only the runner has another filter than the default, and then in a user namespace of its own', (t) => {
  for (const workload of workloads) {
    const pod = workload.spec.template.spec
    const isRunner = workload.metadata.name === 'sandbox-runner'
    t.equal(pod.securityContext?.seccompProfile?.type, isRunner ? 'Localhost' : 'RuntimeDefault')
    t.equal(pod.hostUsers, isRunner ? false : undefined, 'an unmasked procfs needs hostUsers: false')
    for (const container of pod.containers) {
      t.equal(container.securityContext?.procMount, isRunner ? 'Unmasked' : undefined)
    }
  }
  t.end()
})

t.test('an outage of Redis or of the upstream restarts no gateway, and a drain has time to finish', (t) => {
  const pod = workloads.find(({ metadata }) => metadata.name === 'gateway')?.spec.template.spec
  const container = pod?.containers[0]
  t.equal(container?.livenessProbe?.httpGet?.path, '/healthz')
  t.equal(container?.startupProbe?.httpGet?.path, '/healthz')
  t.equal(container?.readinessProbe?.httpGet?.path, '/readyz')
  t.strictSame(container?.lifecycle?.preStop, { exec: { command: ['sleep', '5'] } })
  t.ok((pod?.terminationGracePeriodSeconds ?? 0) >= 120)
  t.notOk(container?.resources?.limits?.['cpu'], 'no CPU limit: throttling hurts the tail of every stream')
  t.end()
})

t.test('evictions leave at least one of each, and the autoscalers never go below two', (t) => {
  const budgets = ofKind<Manifest & { spec: { maxUnavailable: number } }>('PodDisruptionBudget')
  t.strictSame(budgets.map(({ metadata }) => metadata.name).sort(), ['gateway', 'loop-worker', 'sandbox-runner'])
  for (const { metadata, spec } of budgets) t.equal(spec.maxUnavailable, 1, metadata.name)
  const scalers = ofKind<
    Manifest & {
      spec: {
        minReplicas: number
        behavior: { scaleDown: { stabilizationWindowSeconds: number } }
        scaleTargetRef: { name: string }
      }
    }
  >('HorizontalPodAutoscaler')
  t.strictSame(scalers.map(({ metadata }) => metadata.name).sort(), ['gateway', 'sandbox-runner'])
  for (const { metadata, spec } of scalers) {
    t.ok(spec.minReplicas >= 2, metadata.name)
    t.ok(spec.behavior.scaleDown.stabilizationWindowSeconds >= 300, `${metadata.name}: streams are long`)
    const workload = workloads.find((candidate) => candidate.metadata.name === spec.scaleTargetRef.name)
    t.equal(workload?.spec.replicas, undefined, `${metadata.name}: applying the base does not undo the scaling`)
  }
  t.end()
})

t.test('every replica of the gateway is reached at its own address, by the others and by the runners', (t) => {
  const container = workloads.find(({ metadata }) => metadata.name === 'gateway')?.spec.template.spec.containers[0]
  const value = (name: string) => container?.env?.find((variable) => variable.name === name)
  t.match(value('POD_IP'), { valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } })
  t.equal(value('LOOPGATE_ADVERTISE_URL')?.value, 'http://$(POD_IP):8080')
  const policy = policies.find(({ metadata }) => metadata.name === 'gateway')
  const peers = policy?.spec.egress?.filter(({ ports }) => ports.some(({ port }) => port === 8080))
  t.match(peers, [{ to: [{ podSelector: { matchLabels: { [PRODUCT]: 'gateway' } } }] }])
  t.end()
})

t.test('both namespaces deny by default, and every pod that needs a way has a policy', (t) => {
  for (const namespace of ['loopgate', 'loopgate-runners']) {
    const deny = policies.find(({ metadata }) => metadata.namespace === namespace && metadata.name === 'default-deny')
    t.strictSame(deny?.spec, { podSelector: {}, policyTypes: ['Ingress', 'Egress'] }, namespace)
  }
  for (const workload of workloads) {
    const label = workload.spec.template.metadata.labels[PRODUCT]
    t.ok(
      policies.some(({ spec }) => spec.podSelector.matchLabels?.[PRODUCT] === label),
      `${label} has a policy`,
    )
  }
  t.end()
})

t.test('a runner reaches the gateway and the cluster DNS, nothing else, and nothing reaches it', (t) => {
  const own = policies.filter(({ metadata }) => metadata.namespace === 'loopgate-runners')
  t.equal(own.length, 2)
  const egress = own.flatMap(({ spec }) => spec.egress ?? [])
  t.strictSame(
    egress.flatMap(({ to, ports }) =>
      ports.map(({ port }) => `${JSON.stringify(to?.map((peer) => peer.podSelector?.matchLabels))}:${port}`),
    ),
    [`[{"${PRODUCT}":"gateway"}]:8080`, '[{"k8s-app":"kube-dns"}]:53', '[{"k8s-app":"kube-dns"}]:53'],
  )
  t.notOk(
    egress.some(({ to }) => !to || to.some((peer) => peer.ipBlock)),
    'no address range is open',
  )
  t.notOk(
    own.some(({ spec }) => spec.ingress),
    'nothing comes in',
  )
  t.end()
})

t.test('the way to the internet leaves out the metadata address and every private range', (t) => {
  const blocks = policies.flatMap(({ spec }) =>
    (spec.egress ?? []).flatMap(({ to }) => (to ?? []).flatMap(({ ipBlock }) => ipBlock ?? [])),
  )
  t.equal(blocks.length, 1, 'one way, that of the gateway')
  for (const range of ['169.254.0.0/16', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']) {
    t.ok(blocks[0]?.except?.includes(range), range)
  }
  t.end()
})

t.test('the queue cannot lose a job to memory or to a restart', (t) => {
  t.match(readText('k8s/redis-queue.yaml'), /--maxmemory-policy noeviction --appendonly yes --appendfsync everysec/)
  t.match(readText('k8s/redis-queue.yaml'), /volumeClaimTemplates:/)
  t.match(readText('k8s/redis-cache.yaml'), /--maxmemory-policy allkeys-lru --appendonly no/)
  t.end()
})

t.test('no secret is shipped, and every setting is one that the services know', (t) => {
  t.strictSame(ofKind('Secret'), [])
  const fromMaps = ofKind<Manifest & { data: Record<string, string> }>('ConfigMap').flatMap(({ data }) =>
    Object.keys(data),
  )
  const fromPods = workloads.flatMap(({ spec }) =>
    spec.template.spec.containers.flatMap(({ env }) => (env ?? []).map(({ name }) => name)),
  )
  const settings = [...fromMaps, ...fromPods].filter((name) => name.startsWith('LOOPGATE_'))
  t.ok(settings.length >= 5)
  for (const name of settings) t.ok(Object.hasOwn(ENV_NAMES, name), name)
  for (const name of fromMaps) t.notMatch(name, /KEY|TOKEN|SECRET|PASSWORD/, name)
  t.end()
})
