import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { expect } from 'chai';
import { parseAllDocuments } from 'yaml';
import { z } from 'webdriver-supervisor';

import { SETTING_NAMES } from '../../src/config/config.ts';

const COMPOSE = 'config/compose.grid.yml';
const KUBERNETES = 'config/kubernetes';
const GRID_VALUES = `${KUBERNETES}/selenium-grid-values.yml`;
const PORT = z.int().min(1).max(65_535);
const NAME = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/);
const PINNED_IMAGE = z.string().regex(/^[\w./-]+:\d[\w.-]*$/);
/** Variables of the environment that are not settings of the project. */
const FOREIGN_VARIABLES = ['NODE_ENV'];

const resources = z.strictObject({
  requests: z.strictObject({ cpu: z.string(), memory: z.string().regex(/^\d+[MG]i$/) }),
  limits: z.strictObject({ memory: z.string().regex(/^\d+[MG]i$/) }),
});

const duration = z.string().regex(/^\d+s$/);

const compose = z.strictObject({
  name: NAME,
  include: z.array(z.string()),
  services: z.record(
    NAME,
    z.strictObject({
      image: PINNED_IMAGE,
      restart: z.literal('always'),
      init: z.literal(true),
      ports: z.array(z.string().regex(/^127\.0\.0\.1:\d+:\d+$/)).optional(),
      depends_on: z.record(NAME, z.strictObject({ condition: z.literal('service_healthy') })).optional(),
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

const deployment = z.strictObject({
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
        containers: z.tuple([
          z.strictObject({
            name: NAME,
            image: PINNED_IMAGE,
            args: z.array(z.string()).min(1),
            ports: z.array(z.strictObject({ name: NAME, containerPort: PORT })),
            envFrom: z.array(z.strictObject({ secretRef: z.strictObject({ name: NAME }) })),
            env: z.array(z.strictObject({ name: z.string(), value: z.string() })),
            startupProbe: probe,
            livenessProbe: probe,
            readinessProbe: probe,
            resources,
            securityContext: z.strictObject({
              allowPrivilegeEscalation: z.literal(false),
              capabilities: z.strictObject({ drop: z.tuple([z.literal('ALL')]) }),
            }),
          }),
        ]),
      }),
    }),
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
    const versions = Object.values(services).map(({ image }) => image.split(':')[1]);
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

describe('config: Kubernetes', () => {
  const [deployed, exposed] = parseYaml(`${KUBERNETES}/monitor.yml`);
  const monitor = deployment.parse(deployed);
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
