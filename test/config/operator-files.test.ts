import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { z } from 'webdriver-supervisor';

import { SETTING_NAMES } from '../../src/config/config.ts';

const COMPOSE = 'config/compose.grid.yml';
const LOCAL_COMPOSE = 'config/compose.yml';
const KUBERNETES = 'config/kubernetes';
const GRID_VALUES = `${KUBERNETES}/selenium-grid-values.yml`;
const PORT = z.int().min(1).max(65_535);
const NAME = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/);
const PINNED_IMAGE = z.string().regex(/^[\w./-]+:\d[\w.-]*$/);
/** Variables of the environment that are not settings of the project. */
const FOREIGN_VARIABLES = ['NODE_ENV'];
/** The time that a worker needs beyond its drain, to leave the queue. */
const MIN_SECONDS_AFTER_DRAIN = 10;

const resources = z.strictObject({
  requests: z.strictObject({ cpu: z.string(), memory: z.string().regex(/^\d+[MG]i$/) }),
  limits: z.strictObject({ memory: z.string().regex(/^\d+[MG]i$/) }),
});

const duration = z.string().regex(/^\d+s$/);

const dependsOn = z.record(NAME, z.strictObject({ condition: z.literal('service_healthy') }));
const workerArguments = z.tuple([
  z.literal('worker'),
  z.literal('--'),
  z.literal('--drain'),
  z.string().regex(/^\d+$/),
]);

const composeWorker = z.strictObject({
  profiles: z.tuple([z.literal('workers')]).optional(),
  build: z.strictObject({ context: z.literal('..'), dockerfile: z.literal('config/Dockerfile') }),
  image: PINNED_IMAGE,
  restart: z.literal('always'),
  command: workerArguments,
  depends_on: dependsOn,
  shm_size: z.literal('1gb').optional(),
  environment: z.record(z.string(), z.string()),
  deploy: z.strictObject({
    replicas: z.int().positive().optional(),
    resources: z.strictObject({ limits: z.strictObject({ memory: z.string().regex(/^\d+[MG]$/) }) }),
  }),
  cap_drop: z.tuple([z.literal('ALL')]),
  security_opt: z.tuple([z.literal('no-new-privileges:true')]),
  stop_grace_period: duration,
});

const compose = z.strictObject({
  name: NAME,
  include: z.array(z.string()),
  services: z.object({ 'grid-worker': composeWorker }).catchall(
    z.strictObject({
      image: PINNED_IMAGE,
      restart: z.literal('always'),
      init: z.literal(true),
      ports: z.array(z.string().regex(/^127\.0\.0\.1:\d+:\d+$/)).optional(),
      depends_on: dependsOn.optional(),
      shm_size: z.string().optional(),
      environment: z.record(z.string().regex(/^SE_[A-Z_]+$/), z.string()).optional(),
      deploy: z
        .strictObject({
          replicas: z.int().positive(),
          resources: z.strictObject({ limits: z.strictObject({ memory: z.string() }) }),
        })
        .optional(),
      stop_grace_period: duration,
      healthcheck: z
        .strictObject({
          test: z.array(z.string()).min(2),
          interval: duration,
          timeout: duration,
          retries: z.int(),
          start_period: duration,
        })
        .optional(),
    }),
  ),
});

const probe = z.strictObject({
  httpGet: z.strictObject({ path: z.string().startsWith('/'), port: NAME }),
  periodSeconds: z.int().positive(),
  failureThreshold: z.int().positive().optional(),
  timeoutSeconds: z.int().positive().optional(),
});

const metadata = z.strictObject({ name: NAME, namespace: z.literal('webdriver-supervisor') });
const labels = z.strictObject({ app: NAME });

function makeDeployment<Container extends z.ZodType>(container: Container) {
  return z.strictObject({
    apiVersion: z.literal('apps/v1'),
    kind: z.literal('Deployment'),
    metadata,
    spec: z.strictObject({
      replicas: z.int().positive(),
      selector: z.strictObject({ matchLabels: labels }),
      template: z.strictObject({
        metadata: z.strictObject({ labels }),
        spec: z.strictObject({
          automountServiceAccountToken: z.literal(false),
          terminationGracePeriodSeconds: z.int().positive(),
          securityContext: z.strictObject({
            runAsNonRoot: z.literal(true),
            runAsUser: z.int().positive(),
            seccompProfile: z.strictObject({ type: z.literal('RuntimeDefault') }),
          }),
          containers: z.tuple([container]),
        }),
      }),
    }),
  });
}

const variable = z.strictObject({ name: z.string(), value: z.string() });
const secretVariable = z.strictObject({
  name: z.string(),
  valueFrom: z.strictObject({ secretKeyRef: z.strictObject({ name: NAME, key: z.string() }) }),
});

const containerParts = {
  name: NAME,
  image: PINNED_IMAGE,
  resources,
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.literal(false),
    capabilities: z.strictObject({ drop: z.tuple([z.literal('ALL')]) }),
  }),
};

const monitorDeployment = makeDeployment(
  z.strictObject({
    ...containerParts,
    args: z.array(z.string()).min(1),
    ports: z.array(z.strictObject({ name: NAME, containerPort: PORT })),
    envFrom: z.array(z.strictObject({ secretRef: z.strictObject({ name: NAME }) })),
    env: z.array(variable),
    startupProbe: probe,
    livenessProbe: probe,
    readinessProbe: probe,
  }),
);

const workerDeployment = makeDeployment(
  z.strictObject({ ...containerParts, args: workerArguments, env: z.array(z.union([variable, secretVariable])) }),
);

const scaledObject = z.strictObject({
  apiVersion: z.literal('keda.sh/v1alpha1'),
  kind: z.literal('ScaledObject'),
  metadata,
  spec: z.strictObject({
    scaleTargetRef: z.strictObject({ name: NAME }),
    pollingInterval: z.int().positive(),
    minReplicaCount: z.int().positive(),
    maxReplicaCount: z.int().positive(),
    advanced: z.strictObject({
      horizontalPodAutoscalerConfig: z.strictObject({
        behavior: z.strictObject({
          scaleDown: z.strictObject({ stabilizationWindowSeconds: z.int().min(0).max(3_600) }),
        }),
      }),
    }),
    triggers: z.tuple([
      z.strictObject({
        type: z.literal('postgresql'),
        metadata: z.strictObject({
          connectionFromEnv: z.string(),
          query: z.string(),
          targetQueryValue: z.string().regex(/^\d+$/),
        }),
      }),
    ]),
  }),
});

const service = z.strictObject({
  apiVersion: z.literal('v1'),
  kind: z.literal('Service'),
  metadata,
  spec: z.strictObject({
    selector: labels,
    ports: z.array(z.strictObject({ name: NAME, port: PORT, targetPort: NAME })),
  }),
});

const gridValues = z.strictObject({
  global: z.strictObject({
    seleniumGrid: z.strictObject({ imageTag: z.string(), nodesImageTag: z.string(), nodeMaxSessions: z.int() }),
  }),
  isolateComponents: z.literal(false),
  ingress: z.strictObject({ enabled: z.literal(false) }),
  hub: z.strictObject({ port: PORT, serviceType: z.literal('ClusterIP'), resources }),
  chromeNode: z.strictObject({ enabled: z.literal(true), replicas: z.int(), resources }),
  firefoxNode: z.strictObject({ enabled: z.literal(false) }),
  edgeNode: z.strictObject({ enabled: z.literal(false) }),
});

describe('config: the Grid for Docker', () => {
  const { include, services } = compose.parse(parseYaml(COMPOSE)[0]);

  it('has a hub and two Chrome nodes of the same version', () => {
    expect(services['chrome']?.deploy?.replicas).to.equal(2);
    const versions = Object.values(services)
      .filter(({ image }) => image.startsWith('selenium/'))
      .map(({ image }) => image.split(':')[1]);
    expect(new Set(versions).size).to.equal(1);
  });

  it('includes a file that exists, and has no service or port of it', () => {
    const included = include.map((file) => path.join('config', file));
    expect(included.filter((file) => !existsSync(file))).to.deep.equal([]);
    const text = included.map((file) => readFileSync(file, 'utf8')).join('\n');
    expect(Object.keys(services).filter((name) => text.includes(`\n  ${name}:\n`))).to.deep.equal([]);
    expect(services['hub']?.ports?.filter((port) => text.includes(port))).to.deep.equal([]);
  });

  it('has nodes that look for a hub which exists', () => {
    const { environment = {}, depends_on = {} } = services['chrome'] ?? {};
    expect(services).to.have.property(environment['SE_EVENT_BUS_HOST'] ?? '');
    expect(Object.keys(depends_on).filter((name) => !(name in services))).to.deep.equal([]);
  });
});

describe('config: workers for Docker', () => {
  const { services } = z
    .object({ services: z.object({ worker: composeWorker }).loose() })
    .parse(parseYaml(LOCAL_COMPOSE)[0]);
  const local = services.worker;
  const onGrid = compose.parse(parseYaml(COMPOSE)[0]).services['grid-worker'];

  it('are two on the Grid, and one with a browser of its own that starts only on demand', () => {
    expect(onGrid.deploy.replicas).to.equal(2);
    expect(onGrid).to.not.have.property('profiles');
    expect(onGrid.environment['GRID_URL']).to.equal('http://hub:4444');
    expect(local.profiles).to.deep.equal(['workers']);
    expect(local.environment).to.not.have.property('GRID_URL');
    expect(local.shm_size).to.equal('1gb');
  });

  for (const [what, worker] of [
    ['with its own browser', local],
    ['on the Grid', onGrid],
  ] as const) {
    it(`${what} have the version of this package, settings that exist, no password, and time to drain`, () => {
      const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
      expect(worker.image).to.equal(`webdriver-supervisor:${version}`);
      expect(Object.keys(worker.environment).filter((name) => !isKnown(name))).to.deep.equal([]);
      expect(worker.environment['REGISTRY_URL']).to.contain('${POSTGRES_PASSWORD}');
      expect(worker.depends_on).to.have.property('postgres');
      const graceSeconds = Number(worker.stop_grace_period.replace('s', ''));
      expect(graceSeconds).to.be.greaterThan(Number(worker.command[3]) + MIN_SECONDS_AFTER_DRAIN);
    });
  }

  it('run in an image whose entry point takes the command', () => {
    const file = readFileSync('config/Dockerfile', 'utf8');
    expect(file).to.contain('ENTRYPOINT [ "tini", "--", "npm", "run", "--silent" ]');
    expect(JSON.parse(readFileSync('package.json', 'utf8'))).to.have.nested.property('scripts.worker');
  });
});

describe('config: workers for Kubernetes', () => {
  const worker = workerDeployment.parse(parseYaml(`${KUBERNETES}/worker.yml`)[0]);
  const scaling = scaledObject.parse(parseYaml(`${KUBERNETES}/worker-scaling.yml`)[0]);
  const { spec, metadata: podMetadata } = worker.spec.template;
  const [{ args, env }] = spec.containers;
  const grid = gridValues.parse(parseYaml(GRID_VALUES)[0]);

  it('have time to drain and to leave the queue', () => {
    expect(spec.terminationGracePeriodSeconds).to.be.greaterThan(Number(args[3]) + MIN_SECONDS_AFTER_DRAIN);
    expect(worker.spec.selector.matchLabels).to.deep.equal(podMetadata.labels);
  });

  it('have settings that exist, the Grid, and the registry from the Secret', () => {
    expect(env.filter(({ name }) => !isKnown(name))).to.deep.equal([]);
    const address = env.flatMap((one) => (one.name === 'GRID_URL' && 'value' in one ? [one.value] : []));
    expect(readFileSync(GRID_VALUES, 'utf8')).to.contain(`address of the Grid is ${address.join(' ')}.`);
    const secrets = env.flatMap((one) => ('valueFrom' in one ? [[one.name, one.valueFrom.secretKeyRef]] : []));
    expect(secrets).to.deep.equal([['REGISTRY_URL', { name: 'webdriver-supervisor', key: 'REGISTRY_URL' }]]);
  });

  it('are scaled by the database of their registry, to no more than the Grid has sessions', () => {
    const { scaleTargetRef, minReplicaCount, maxReplicaCount, triggers } = scaling.spec;
    expect(scaleTargetRef.name).to.equal(worker.metadata.name);
    expect(env.map(({ name }) => name)).to.include(triggers[0].metadata.connectionFromEnv);
    expect(minReplicaCount).to.be.at.most(maxReplicaCount);
    expect(maxReplicaCount).to.equal(grid.chromeNode.replicas * grid.global.seleniumGrid.nodeMaxSessions);
    expect(worker.spec.replicas).to.be.at.most(maxReplicaCount);
  });
});

describe('config: Kubernetes', () => {
  const [deployed, exposed] = parseYaml(`${KUBERNETES}/monitor.yml`);
  const monitor = monitorDeployment.parse(deployed);
  const { spec } = monitor.spec.template;
  const [container] = spec.containers;

  it('has one kind of Grid in all files', () => {
    const { global: all, hub } = gridValues.parse(parseYaml(GRID_VALUES)[0]);
    expect(readFileSync(COMPOSE, 'utf8')).to.contain(`selenium/hub:${all.seleniumGrid.imageTag}\n`);
    expect(all.seleniumGrid.nodesImageTag).to.equal(all.seleniumGrid.imageTag);
    expect(readFileSync(GRID_VALUES, 'utf8')).to.contain(`:${hub.port}.\n`);
    const grid = container.env.find(({ name }) => name === 'GRID_URL')?.value ?? '';
    expect(readFileSync(GRID_VALUES, 'utf8')).to.contain(`address of the Grid is ${grid}.`);
  });

  it('selects the pods of the monitor by their label', () => {
    const { selector, ports } = service.parse(exposed).spec;
    expect(selector).to.deep.equal(monitor.spec.template.metadata.labels);
    expect(monitor.spec.selector.matchLabels).to.deep.equal(selector);
    expect(ports.map(({ targetPort }) => targetPort)).to.deep.equal(container.ports.map(({ name }) => name));
  });

  it('starts a command that exists, with settings that exist, on the port that it names', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
    expect(scripts).to.have.property(container.args[0] ?? '');
    const names = container.env.map(({ name }) => name);
    expect(names.filter((name) => !isKnown(name))).to.deep.equal([]);
    const port = container.env.find(({ name }) => name === 'MONITOR_PORT')?.value;
    expect(container.ports.map(({ containerPort }) => String(containerPort))).to.deep.equal([port]);
  });

  it('probes routes that the monitor has', () => {
    const routes = readFileSync('src/monitor/http/health-routes.ts', 'utf8');
    const paths = [container.startupProbe, container.livenessProbe, container.readinessProbe].map(
      ({ httpGet }) => httpGet.path,
    );
    expect(paths.filter((route) => !routes.includes(`'${route}'`))).to.deep.equal([]);
  });

  it('takes the secrets from a Secret, and has none in a file', () => {
    expect(container.envFrom.map(({ secretRef }) => secretRef.name)).to.deep.equal(['webdriver-supervisor']);
    expect(container.env.filter(({ name }) => /TOKEN|REGISTRY_URL|WEBHOOK|SMTP/.test(name))).to.deep.equal([]);
  });

  it('is explained file by file', () => {
    const docs = readFileSync('docs/kubernetes.md', 'utf8');
    expect(readdirSync(KUBERNETES).filter((file) => !docs.includes(`\`${KUBERNETES}/${file}\``))).to.deep.equal([]);
  });
});

/** Throws if the file is not valid YAML, or names a key twice. */
function parseYaml(file: string): unknown[] {
  return parseAllDocuments(readFileSync(file, 'utf8')).map((document) => {
    if (document.errors.length > 0 || document.warnings.length > 0)
      throw new Error(`${file}: ${[...document.errors, ...document.warnings].join('\n')}`);
    return document.toJS() as unknown;
  });
}

function isKnown(name: string): boolean {
  return FOREIGN_VARIABLES.includes(name) || (SETTING_NAMES as readonly string[]).includes(name);
}
