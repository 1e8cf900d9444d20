/** Why a pod is not ready, in words. Pure. */

/** What is read of a Pod. */
export interface PodFields {
  readonly metadata: { readonly name: string };
  readonly status: {
    readonly phase: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
    readonly containerStatuses?: readonly {
      readonly ready: boolean;
      readonly state?: {
        readonly waiting?: { readonly reason?: string; readonly message?: string };
        readonly terminated?: { readonly exitCode: number; readonly reason?: string };
      };
      readonly lastState?: { readonly terminated?: { readonly exitCode: number; readonly reason?: string } };
    }[];
  };
}

export function isReady({ status }: PodFields): boolean {
  return status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;
}

/** @param log the end of its log, empty where there is none. */
export function whyUnready({ metadata, status }: PodFields, log: string): string {
  const container = status.containerStatuses?.find(({ ready }) => !ready);
  const { waiting, terminated = container?.lastState?.terminated } = container?.state ?? {};
  const unscheduled = status.conditions?.find(
    ({ type, status }) => type === 'PodScheduled' && status === 'False',
  );
  const state =
    unscheduled?.reason ?? waiting?.reason ?? terminated?.reason ?? (container && 'running, but not ready');
  const detail = unscheduled?.message ?? waiting?.message;
  const words = [
    `${metadata.name}: ${state ?? status.phase}`,
    terminated && `its last run ended with exit code ${terminated.exitCode}`,
    detail,
    log.trim() && `the end of its log:\n${log.trim()}`,
  ];
  return words.filter(Boolean).join('; ');
}
