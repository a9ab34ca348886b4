// What a translator has to say of an object: where, what is wrong, what to do; and how much it matters.

export type Complaint = {
  readonly objectKey: string;
  /** 'spec.http[0].route[1].destination.host'. */
  readonly fieldPath: string;
  readonly message: string;
  readonly remedy: string;
  /** error: this part has no effect; warning: it has, and probably not the one that was meant. */
  readonly severity: 'error' | 'warning';
};

export type ComplaintSink = (complaint: Complaint) => void;
