import { componentNamespace } from '../api/names.ts';
import { kubeconfigOption } from '../kube/access.ts';
import type { OptionSet } from '../process/options.ts';
import { duration, namespaceName, text } from '../process/parsers.ts';

export const options = {
  kubeconfig: kubeconfigOption,
  namespace: {
    flag: 'namespace',
    placeholder: 'NAMESPACE',
    description: 'namespace of this component and of all that it ends',
    parser: namespaceName,
    default: componentNamespace,
  },
  stopDeployment: {
    flag: 'stop-deployment',
    placeholder: 'NAME',
    description: 'Deployment that is scaled to nothing; may be repeated',
    parser: text,
    repeatable: true,
  },
  stopStatefulSet: {
    flag: 'stop-statefulset',
    placeholder: 'NAME',
    description: 'StatefulSet that is scaled to nothing; may be repeated',
    parser: text,
    repeatable: true,
  },
  stopDaemonSet: {
    flag: 'stop-daemonset',
    placeholder: 'NAME',
    description: 'DaemonSet that is taken off all nodes; may be repeated',
    parser: text,
    repeatable: true,
  },
  cleanDaemonSet: {
    flag: 'clean-daemonset',
    placeholder: 'NAME',
    description: 'DaemonSet whose pods clean their nodes, and are ready when that is done',
    parser: text,
    required: true,
  },
  pods: {
    flag: 'pods',
    placeholder: 'SELECTOR',
    description: 'label selector of the pods that must have ended before nodes are cleaned',
    parser: text,
    required: true,
  },
  patience: {
    flag: 'patience',
    placeholder: 'DURATION',
    description:
      'how long nodes that do not answer are waited for, twice: for their pods to end, and to be cleaned',
    parser: duration,
    default: '60s',
  },
} as const satisfies OptionSet;
