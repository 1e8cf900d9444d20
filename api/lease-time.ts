/** metav1.MicroTime, as `spec.renewTime` of a Lease has it. */
export function coordinationTime(time: Date): string {
  return time.toISOString().replace('Z', '000Z');
}
