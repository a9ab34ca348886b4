// OpenSSL's short names of the attributes that distinguished names are made of.

/** Arcs below 2.5.4; the numbers between them have no name. */
const X500: readonly (readonly [number, string])[] = [
  [
    3,
    'CN SN serialNumber C L ST street O OU title description searchGuide businessCategory postalAddress postalCode ' +
      'postOfficeBox physicalDeliveryOfficeName telephoneNumber telexNumber teletexTerminalIdentifier ' +
      'facsimileTelephoneNumber x121Address internationaliSDNNumber registeredAddress destinationIndicator ' +
      'preferredDeliveryMethod presentationAddress supportedApplicationContext member owner roleOccupant seeAlso ' +
      'userPassword userCertificate cACertificate authorityRevocationList certificateRevocationList ' +
      'crossCertificatePair name GN initials generationQualifier x500UniqueIdentifier dnQualifier ' +
      'enhancedSearchGuide protocolInformation distinguishedName uniqueMember houseIdentifier supportedAlgorithms ' +
      'deltaRevocationList dmdName',
  ],
  [65, 'pseudonym'],
  [72, 'role'],
];
/** Arcs below 1.2.840.113549.1.9. */
const PKCS9: readonly (readonly [number, string])[] = [
  [
    1,
    'emailAddress unstructuredName contentType messageDigest signingTime countersignature challengePassword ' +
      'unstructuredAddress extendedCertificateAttributes',
  ],
  [14, 'extReq SMIME-CAPS SMIME'],
  [20, 'friendlyName localKeyID'],
];
/** Arcs below 0.9.2342.19200300.100.1. */
const PILOT: readonly (readonly [number, string])[] = [
  [
    1,
    'UID textEncodedORAddress mail info favouriteDrink roomNumber photo userClass host manager documentIdentifier ' +
      'documentTitle documentVersion documentAuthor documentLocation',
  ],
  [20, 'homeTelephoneNumber secretary otherMailbox lastModifiedTime lastModifiedBy DC aRecord pilotAttributeType27'],
  [28, 'mXRecord nSRecord sOARecord cNAMERecord'],
  [37, 'associatedDomain associatedName homePostalAddress personalTitle mobileTelephoneNumber pagerTelephoneNumber'],
  [43, 'friendlyCountryName'],
  [45, 'organizationalStatus janetMailbox mailPreferenceOption buildingName dSAQuality'],
  [50, 'singleLevelQuality subtreeMinimumQuality subtreeMaximumQuality personalSignature dITRedirect audio'],
  [56, 'documentPublisher'],
];

const NAMES = new Map([
  ...below('2.5.4', X500),
  ...below('1.2.840.113549.1.9', PKCS9),
  ...below('0.9.2342.19200300.100.1', PILOT),
]);

/** Undefined for what OpenSSL has no name for. */
export function attributeName(dotted: string): string | undefined {
  return NAMES.get(dotted);
}

function below(arc: string, runs: readonly (readonly [number, string])[]): [string, string][] {
  return runs.flatMap(([first, names]) =>
    names.split(' ').map((name, index): [string, string] => [`${arc}.${first + index}`, name]),
  );
}
