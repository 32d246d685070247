/* SPDX-License-Identifier: Apache-2.0 */
/* Who we are, whom we trust, and the TLS settings of both ends. */
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "crypto/tls_private.h"

/* NULL, or why a certificate of our CA is not welcome on this connection. */
static const char *judge(struct tls *tls, const X509 *cert)
{
	tls->role = x509_role(cert);
	if (!(tls->roles & 1u << tls->role))
		return "its role is not allowed here";
	if (!x509_name(cert, tls->name))
		return "its certificate names nobody";
	if (x509_fingerprint(cert, tls->fingerprint, NULL) < 0)
		return "its certificate has no fingerprint";
	if (tls->pinned && strcasecmp(tls->fingerprint, tls->pinned) != 0)
		return "its certificate is not the pinned one";
	return NULL;
}

/* Within the handshake, so that a refused peer is told by an alert. */
static int on_verify(X509_STORE_CTX *store, void *unused)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *tls = SSL_get_app_data(ssl);

	(void)unused;
	if (X509_verify_cert(store) != 1) {
		tls->refusal = X509_verify_cert_error_string(X509_STORE_CTX_get_error(store));
		return 0;
	}
	tls->refusal = judge(tls, X509_STORE_CTX_get0_cert(store));
	if (!tls->refusal)
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
	return 0;
}

static void on_info(const SSL *ssl, int where, int value)
{
	struct tls *tls = SSL_get_app_data(ssl);

	if (!(where & SSL_CB_ALERT))
		return;
	*(where & SSL_CB_READ ? &tls->alert_received : &tls->alert_sent) = value & 0xff;
}

/* Everything that the host's openssl.cnf could have changed is stated here. */
static bool configure(SSL_CTX *ssl)
{
	SSL_CTX_clear_options(ssl, SSL_CTX_get_options(ssl));
	/* What was received holds PINs: it is zeroed in OpenSSL's buffers once it was read. */
	SSL_CTX_set_options(ssl, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
					 SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_security_level(ssl, 2);
	/* One recv() takes all that is there: half the system calls. */
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ssl, on_verify, NULL);
	SSL_CTX_set_info_callback(ssl, on_info);
	return SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) &&
	       SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) && SSL_CTX_set_num_tickets(ssl, 0) &&
	       SSL_CTX_set_ciphersuites(ssl, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:"
					     "TLS_CHACHA20_POLY1305_SHA256") &&
	       SSL_CTX_set1_groups_list(ssl, "P-256:X25519") &&
	       SSL_CTX_set1_sigalgs_list(ssl, "ECDSA+SHA256") &&
	       SSL_CTX_set1_client_sigalgs_list(ssl, "ECDSA+SHA256");
}

static int load_authority(SSL_CTX *ssl, const char *folder, struct err *err)
{
	owned(mem) char *path = mem_printf("%s/ca.pem", folder);
	owned(X509) X509 *cert = NULL;
	int rc;

	if (!path)
		return err_no_memory(err);
	rc = x509_read(path, &cert, err);
	if (rc < 0)
		return rc;
	if (!X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), cert))
		return openssl_error(err, ERR_FAILED, "cannot use the certificate authority");
	return 0;
}

static int load_own(SSL_CTX *ssl, const char *folder, const char *name, struct err *err)
{
	owned(mem) char *cert_path = mem_printf("%s/%s.pem", folder, name);
	owned(mem) char *key_path = mem_printf("%s/%s.key", folder, name);
	owned(X509) X509 *cert = NULL;
	owned(EVP_PKEY) EVP_PKEY *key = NULL;
	int rc;

	if (!cert_path || !key_path)
		return err_no_memory(err);
	rc = x509_read(cert_path, &cert, err);
	if (rc == 0)
		rc = x509_read_key(key_path, &key, err);
	if (rc < 0)
		return rc;
	if (SSL_CTX_use_certificate(ssl, cert) != 1)
		return openssl_error(err, ERR_INVALID, "cannot use a certificate");
	if (SSL_CTX_use_PrivateKey(ssl, key) != 1)
		return err_set(err, ERR_INVALID, "'%s' is not the key of '%s'", key_path, cert_path);
	return 0;
}

int tls_context_new(const char *folder, const char *name, bool server,
		    struct tls_context **ret, struct err *err)
{
	OPENSSL_ENTER();
	owned(tls_context) struct tls_context *context = mem_new(struct tls_context);
	int rc;

	if (!context)
		return err_no_memory(err);
	context->server = server;
	context->ssl = SSL_CTX_new_ex(openssl_context(), NULL, TLS_method());
	if (!context->ssl || !configure(context->ssl))
		return openssl_error(err, ERR_FAILED, "cannot set up TLS");
	rc = load_authority(context->ssl, folder, err);
	if (rc == 0)
		rc = load_own(context->ssl, folder, name, err);
	if (rc < 0)
		return rc;
	*ret = own_take(context);
	return 0;
}

void tls_context_free(struct tls_context *context)
{
	if (!context)
		return;
	OPENSSL_ENTER();
	SSL_CTX_free(context->ssl);
	free(context);
}
