import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { checkout } from '../../lab/tools.ts';
import { chartPath } from './helm.ts';

/** Helm takes files of the chart's own directory only: what others own too is there as a copy. */
const copies: readonly (readonly [original: string, copy: string])[] = [
  ['api/crds/peers.yaml', 'helm/nauti/crds/peers.yaml'],
  ['api/crds/exportedservices.yaml', 'helm/nauti/crds/exportedservices.yaml'],
  ['api/crds/serviceexports.yaml', 'helm/nauti-agent/crds/serviceexports.yaml'],
  ['api/crds/serviceimports.yaml', 'helm/nauti-agent/crds/serviceimports.yaml'],
  ['hub/manifests/admission.yaml', 'helm/nauti/files/admission.yaml'],
  ['hub/manifests/hub-role.yaml', 'helm/nauti/files/hub-role.yaml'],
  ['hub/manifests/member-role.yaml', 'helm/nauti/files/member-role.yaml'],
  ['ovn-controller/manifests/admission.yaml', 'helm/nauti-agent/files/ovn-controller/admission.yaml'],
  ['ovn-controller/manifests/role.yaml', 'helm/nauti-agent/files/ovn-controller/role.yaml'],
  ['nri/manifests/admission.yaml', 'helm/nauti-agent/files/nri/admission.yaml'],
  ['nri/manifests/own-pod.yaml', 'helm/nauti-agent/files/nri/own-pod.yaml'],
  ['nri/manifests/role.yaml', 'helm/nauti-agent/files/nri/role.yaml'],
  ['octopus/manifests/role.yaml', 'helm/nauti/files/octopus/role.yaml'],
  ['octopus/manifests/role.yaml', 'helm/nauti-agent/files/octopus/role.yaml'],
  ['octopus/manifests/hub-role.yaml', 'helm/nauti/files/octopus/hub-role.yaml'],
  ['helm/nauti-agent/templates/_helpers.tpl', 'helm/nauti/templates/_helpers.tpl'],
  ['helm/nauti-agent/templates/_octopus.tpl', 'helm/nauti/templates/_octopus.tpl'],
];

describe('copies in the charts', () => {
  for (const [original, copy] of copies) {
    it(`${copy} is ${original}`, async () => {
      const wanted = await readFile(join(checkout, original), 'utf8');
      expect(await readFile(join(checkout, copy), 'utf8'), `run: cp ${original} ${copy}`).to.equal(wanted);
    });
  }

  it('are all that there is to copy', async () => {
    const originals = copies.map(([original]) => original);
    for (const directory of [
      'api/crds',
      'hub/manifests',
      'ovn-controller/manifests',
      'nri/manifests',
      'octopus/manifests',
    ]) {
      for (const name of await readdir(join(checkout, directory))) {
        if (name.endsWith('.yaml')) expect(originals).to.include(`${directory}/${name}`);
      }
    }
    for (const directory of [chartPath('nauti', 'crds'), chartPath('nauti-agent', 'crds')]) {
      for (const name of await readdir(directory)) {
        expect(copies.map(([, copy]) => join(checkout, copy))).to.include(join(directory, name));
      }
    }
  });
});
