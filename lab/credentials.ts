/** Puts a control plane's certificates, keys and kubeconfigs in place. */
import { Authority } from './certificates.ts';
import {
  type ControlPlaneSpec,
  controlPlaneSubjects,
  kubeconfigFile,
  pkiDirectory,
  serverUrl,
  userSubjects,
} from './control-plane-plan.ts';
import { writeKubeconfig } from './kubeconfig.ts';

/** Makes what is missing; what is there is kept, so that a resumed control plane keeps its identities. */
export async function writeCredentials(spec: ControlPlaneSpec): Promise<Authority> {
  const authority = await Authority.open(pkiDirectory(spec), `${spec.cluster}-ca`);
  const [pairs] = await Promise.all([
    Promise.all(
      Object.entries(controlPlaneSubjects(spec)).map(
        async ([name, subject]) => [name, await authority.issue(name, subject)] as const,
      ),
    ),
    authority.signingKey('service-account'),
  ]);
  for (const [user, keyPair] of pairs) {
    if (!(user in userSubjects)) continue;
    await writeKubeconfig(kubeconfigFile(spec, user), {
      ...{ cluster: spec.cluster, server: serverUrl(spec), user },
      ...{ caFile: authority.certificate, keyPair },
    });
  }
  return authority;
}
