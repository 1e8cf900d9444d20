/** Begins the `spec.signerName` of all CertificateSigningRequests that concern OVN. */
export const ovnSignerPrefix = 'nauti.io/ovn-';
