import { expect } from 'chai';
import { longestGap, losses } from './ping-losses.ts';

const answer = (number: number) => `64 bytes from 10.113.0.5: icmp_seq=${number} ttl=64 time=0.5 ms\n`;

describe('what is lost of a ping', () => {
  it('is what was not answered though a later one was', () => {
    const output = `PING 10.113.0.5\n${[1, 2, 5, 4, 9].map(answer).join('')}12 packets transmitted, 5 received`;
    expect(losses(output)).to.deep.equal({ answered: 5, lost: [3, 6, 7, 8] });
    expect(longestGap([3, 6, 7, 8])).to.equal(3);
  });

  it('is counted on where the sequence numbers begin anew', () => {
    const numbers = Array.from({ length: 65_540 }, (_, index) => (index + 1) % 65_536);
    const output = numbers
      .filter(number => number !== 2)
      .map(answer)
      .join('');
    expect(losses(output).lost).to.deep.equal([2, 65_538]);
  });
});
