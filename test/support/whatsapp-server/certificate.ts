/**
 * The chain of certificates with which the server proves in the Noise handshake who it is: root → intermediate → leaf, whose
 * key is the server's static key. Baileys checks it against one public key, WhatsApp's root, a constant of its own
 * (`WA_CERT_DETAILS.PUBLIC_KEY`), and there is no setting for another. So in the process of a test, and nowhere else, the
 * bytes of that constant are overwritten with those of a test root: what baileys does with them stays what it is.
 */
import { Curve, type KeyPair, proto, WA_CERT_DETAILS } from '@whiskeysockets/baileys';

const root = Curve.generateKeyPair();

/** From now on this process takes the test root for WhatsApp's. */
export function trustTestRoot(): void {
  WA_CERT_DETAILS.PUBLIC_KEY.set(root.public);
}

/** A leaf certificate for `serverKey`, with what it needs to be verified. */
export function certificateChain(serverKey: KeyPair, signer: KeyPair = root): Uint8Array {
  const intermediate = Curve.generateKeyPair();
  const { Details } = proto.CertChain.NoiseCertificate;
  const intermediateDetails = Details.encode({
    serial: 1,
    issuerSerial: WA_CERT_DETAILS.SERIAL,
    key: intermediate.public,
  }).finish();
  const leafDetails = Details.encode({ serial: 2, issuerSerial: 1, key: serverKey.public }).finish();
  return proto.CertChain.encode({
    intermediate: {
      details: intermediateDetails,
      signature: Curve.sign(signer.private, intermediateDetails),
    },
    leaf: { details: leafDetails, signature: Curve.sign(intermediate.private, leafDetails) },
  }).finish();
}
