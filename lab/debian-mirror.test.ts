import { expect } from 'chai';
import { findDebianMirror } from './debian-mirror.ts';

describe('Debian mirror', () => {
  const lines = `# deb http://old.example/debian bookworm main
deb [signed-by=/k.gpg] http://apt.example/tool bookworm tool
deb http://security.example/debian-security bookworm-security main
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib
`;
  const paragraphs = `Types: deb
# http://snapshot.example/
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Types: deb deb-src
URIs: http://other.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /k.gpg
`;

  it('is found in both formats of apt sources', () => {
    expect(findDebianMirror([lines], 'bookworm')).to.equal('http://mirror.example/debian');
    expect(findDebianMirror(['', paragraphs], 'bookworm')).to.equal('http://other.example/debian');
  });

  it('is none where sources are of something else, or off', () => {
    expect(findDebianMirror([lines, paragraphs], 'noble')).to.equal(undefined);
    expect(findDebianMirror([paragraphs.replaceAll('Types:', 'Enabled: no\nTypes:')], 'bookworm')).to.equal(
      undefined,
    );
  });
});
