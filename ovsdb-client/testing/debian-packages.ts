/** What the tests of this package run, besides Node. */
export const debianPackages: readonly string[] = [
  'openssl',
  'openvswitch-common',
  'openvswitch-switch',
  'ovn-common',
  'python3-openvswitch',
  'util-linux',
];
