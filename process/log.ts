import { isatty } from 'node:tty';
import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof logLevels)[number];

/** JSON lines on stderr; on a terminal the same, made for people. Messages are constants, what varies is a field. */
export function createLogger(component: string, level: LogLevel): Logger {
  const options = { level, base: { component }, timestamp: pino.stdTimeFunctions.isoTime };
  if (!isatty(2)) return pino(options, pino.destination(2));
  return pino({
    ...options,
    transport: {
      target: 'pino-pretty',
      options: { destination: 2, ignore: 'component', translateTime: 'HH:MM:ss.l' },
    },
  });
}

/** A logger that says nothing, for tests and library use. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}
