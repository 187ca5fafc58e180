"""The payment providers: each behind services.billing.payments.ports.PaymentProvider, each with settings of its own."""
