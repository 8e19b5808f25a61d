import { expect } from 'chai';

import { HostRules } from '../../../src/supervisor/route/host-rules.ts';

const TABLE: readonly [rules: string, host: string, result: string][] = [
  ['', 'a.test', 'a.test:80'],
  ['MAP a.test b.test', 'a.test', 'b.test:80'],
  ['map A.test b.test:8080', 'a.TEST', 'b.test:8080'],
  ['MAP *.a.test b.test', 'a.test', 'a.test:80'],
  ['MAP *.a.test b.test', 'x.a.test', 'b.test:80'],
  ['MAP *.a.test b.test,EXCLUDE x.a.test', 'x.a.test', 'x.a.test:80'],
  ['MAP a.test:80 b.test', 'a.test', 'b.test:80'],
  ['MAP a.test:443 b.test', 'a.test', 'a.test:80'],
  ['MAP a.tes? b.test', 'a.test', 'b.test:80'],
  ['MAP a.test? b.test', 'a.test', 'b.test:80'],
  ['MAP a.t*t b.test', 'a+test', 'a+test:80'],
  ['MAP a.test b.test, MAP a.test c.test', 'a.test', 'b.test:80'],
  ['MAP a.test [::1]:81', 'a.test', '::1:81'],
  ['MAP 10.0.0.1 127.0.0.1', '10.0.0.1', '127.0.0.1:80'],
  ['MAP [fd00::1]:80 127.0.0.1', 'fd00::1', '127.0.0.1:80'],
  ['MAP a.test b.test c, MAP  a.test b.test, FOO a.test b.test', 'a.test', 'a.test:80'],
];

describe('HostRules', () => {
  for (const [rules, host, result] of TABLE)
    it(`connects to ${result} for ${host} by "${rules}"`, () => {
      const to = new HostRules(rules).apply({ host, port: 80 });
      expect(`${to.host}:${to.port}`).to.equal(result);
    });

  it('rejects a blocked host with the error of a failed look-up', () => {
    expect(() => new HostRules('MAP * ~NOTFOUND').apply({ host: 'a.test', port: 80 }))
      .to.throw('a.test (by --host-resolver-rules)')
      .with.property('code', 'ENOTFOUND');
  });
});
