// The seams of a proxy with one worker: nothing is shared, bound ahead, or handed over.
import { LocalCells } from '../../base/local-cells.ts';
import { LocalRecords } from '../../base/shared-records.ts';
import { recordBytes } from '../cluster/outlier/layout.ts';
import type { WorkerSeams } from './contract.ts';

export function singleWorker(): WorkerSeams {
  return {
    index: 0,
    concurrency: 1,
    shared: new LocalCells(),
    sockets: { take: () => -1 },
    balancer: { giveAway: () => false, closed: () => undefined },
    records: new LocalRecords(recordBytes(1)),
    healthChanged: () => undefined,
  };
}
