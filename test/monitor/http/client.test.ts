import { expect } from 'chai';

import { toClient } from '../../../src/monitor/http/client.ts';

describe('toClient', () => {
  for (const [address, client] of [
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'],
    ['2001:db8:1:2:ffff::9', '2001:db8:1:2::'],
    ['fe80::1%eth0', 'fe80::'],
    [undefined, ''],
  ] as const)
    it(`returns ${client || 'an empty text'} for ${address ?? 'a closed connection'}`, () => {
      expect(toClient(address)).to.equal(client);
    });
});
