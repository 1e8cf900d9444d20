import { expect } from 'chai';
import { isReady } from './node-state.ts';

describe('node state', () => {
  const state = (status: string, lastHeartbeatTime: string) => ({
    status: {
      conditions: [
        { type: 'DiskPressure', status: 'False' },
        { type: 'Ready', status, lastHeartbeatTime },
      ],
    },
  });
  const lease = (renewTime: string) => ({ spec: { renewTime } });
  const boot = Date.parse('2026-01-01T00:00:10.500Z');

  it('believes the condition where nothing was booted', () => {
    expect(isReady(state('True', '2026-01-01T00:00:00Z'), undefined)).to.equal(true);
    expect(isReady(state('False', '2026-01-01T00:00:00Z'), undefined)).to.equal(false);
    expect(isReady({}, undefined)).to.equal(false);
    expect(isReady(undefined, undefined)).to.equal(false);
  });

  it('does not believe what the node said before its boot', () => {
    const fresh = lease('2026-01-01T00:00:11.000000Z');
    expect(isReady(state('True', '2026-01-01T00:00:05Z'), fresh, boot)).to.equal(false);
    expect(
      isReady(state('True', '2026-01-01T00:00:10Z'), lease('2026-01-01T00:00:10.100000Z'), boot),
    ).to.equal(false);
    expect(isReady(state('True', '2026-01-01T00:00:11Z'), undefined, boot)).to.equal(false);
    expect(isReady(state('True', '2026-01-01T00:00:11Z'), fresh, boot)).to.equal(true);
  });
});
