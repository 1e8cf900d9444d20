import type { Logger } from '../process/log.ts';
import type { NicKeeper } from './nic-keeper.ts';
import type { SandboxEvents } from './nri-plugin.ts';
import { podKey } from './sandbox.ts';
import { StatusError, statusCodes } from './ttrpc.ts';

/** What the runtime's calls do. @param isRequired whether a pod without its NIC must not start. */
export function sandboxEvents(keeper: NicKeeper, isRequired: boolean, log: Logger): SandboxEvents {
  return {
    synchronize: sandboxes => keeper.synchronize(sandboxes),
    async run(sandbox) {
      const begin = performance.now();
      const isAttached = await keeper.start(sandbox);
      const heldUpMs = Math.round((performance.now() - begin) * 10) / 10;
      log.debug({ pod: podKey(sandbox), sandbox: sandbox.id, heldUpMs }, 'pod starts');
      if (isAttached) return;
      log.info({ pod: podKey(sandbox), sandbox: sandbox.id }, 'pod starts without its NIC');
      if (isRequired) {
        throw new StatusError(statusCodes.unknown, 'nauti: the second NIC could not be made in time');
      }
    },
    stop(sandbox) {
      log.debug({ pod: podKey(sandbox), sandbox: sandbox.id }, 'pod stops');
      return keeper.stop(sandbox);
    },
    refused: error => {
      keeper.countRefusal();
      log.warn({ err: error }, 'what the container runtime told is refused');
    },
  };
}
