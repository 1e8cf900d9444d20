#!/usr/bin/env node
// kubectl runs it for `kubectl nauti …` where it is found in PATH under the name kubectl-nauti.
import { launch } from './launch.js';

await launch('cli/kubectl-nauti.ts');
